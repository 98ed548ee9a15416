//! What a handler needs of whoever asks, as types for its signature.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use ortolan_domain::tenant::TenantSlugError;
use ortolan_domain::{ErrorCode, Scope};
use ortolan_store::Tenant;
use tracing::Span;

use super::Caller;
use crate::error::ApiError;
use crate::limits::TenantPlace;
use crate::rates::Counted;
use crate::state::ApiState;

/// A scope as a type.
pub trait Needs: Send + Sync {
    /// The scope.
    const SCOPE: Scope;
}

macro_rules! scopes {
    ($($name:ident)*) => {$(
        #[doc = concat!("Scope `", stringify!($name), "`.")]
        pub struct $name;

        impl Needs for $name {
            const SCOPE: Scope = Scope::$name;
        }
    )*};
}
scopes! { Read Write Admin Operator }

/// A caller with scope `S` in a tenant.
pub struct Access<S> {
    /// The tenant whose things the request is about.
    pub tenant: Arc<Tenant>,
    /// Who asks.
    pub caller: Arc<Caller>,
    /// The request's place among the tenant's, held until it is answered.
    _place: TenantPlace,
    scope: PhantomData<S>,
}

/// May look at what the tenant has.
pub type ReadAccess = Access<Read>;
/// May change what the tenant has.
pub type WriteAccess = Access<Write>;
/// May manage the tenant itself.
pub type AdminAccess = Access<Admin>;

/// An operator who names a tenant.
pub type OperatorTenant = Access<Operator>;

/// A caller with scope `S`, in its tenant; an operator who names no tenant means all of them.
pub struct OptionalTenant<S> {
    /// Who asks.
    pub caller: Arc<Caller>,
    scope: PhantomData<S>,
}

/// Whoever holds a valid key, whatever it may do.
pub struct AnyCaller(pub Arc<Caller>);

/// A caller with the scope `operator`.
pub struct OperatorAccess;

impl<S: Needs> FromRequestParts<ApiState> for OptionalTenant<S> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        Ok(Self { caller: admit(parts, state, S::SCOPE).await?, scope: PhantomData })
    }
}

impl<S: Needs> FromRequestParts<ApiState> for Access<S> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let caller = admit(parts, state, S::SCOPE).await?;
        let required = || ApiError::parameter("X-Tenant-ID", TenantSlugError::Empty.to_string());
        let tenant = caller.tenant.clone().ok_or_else(required)?;
        let place = state.limits.of_tenant(tenant.id)?;
        Ok(Self { tenant, caller, _place: place, scope: PhantomData })
    }
}

impl FromRequestParts<ApiState> for OperatorAccess {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        admit(parts, state, Scope::Operator).await.map(|_| Self)
    }
}

impl FromRequestParts<ApiState> for AnyCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        identify(parts, state).await.map(Self)
    }
}

async fn identify(parts: &Parts, state: &ApiState) -> Result<Arc<Caller>, ApiError> {
    let caller = state.auth.identify(&parts.headers).await?;
    if let Some(tenant) = &caller.tenant {
        Span::current().record("tenant_id", tenant.name.as_str());
    }
    Ok(caller)
}

async fn admit(parts: &Parts, state: &ApiState, scope: Scope) -> Result<Arc<Caller>, ApiError> {
    let caller = identify(parts, state).await?;
    state.admit(&caller, Counted::Request).await?;
    if caller.scopes.allows(scope) {
        return Ok(caller);
    }
    Err(ApiError::new(ErrorCode::Forbidden, format!("the key lacks the scope '{}'", scope.as_str())))
}
