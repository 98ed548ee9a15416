//! `POST /tenants/{id}/keys`.

use axum::Json;
use axum::extract::State;
use http::{HeaderName, HeaderValue, StatusCode, header};
use ortolan_domain::{ErrorCode, KeyId, Scope, Scopes, TenantId, Timestamp};
use ortolan_store::NewKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::managed_tenant;
use crate::auth::secret::SecretKey;
use crate::auth::{Admin, Caller, OptionalTenant};
use crate::error::ApiError;
use crate::extract::{IdPath, JsonBody};
use crate::openapi::{refusals, words};
use crate::state::ApiState;
use crate::tenants::check_label;

refusals!(CreateRefusals: NotFound, Invalid, UnsupportedMedia, TooLarge);

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyWish {
    /// A name for people.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What it may do; at least one of `read`, `write` and `admin`.
    #[schema(value_type = Vec<words::Scope>, min_items = 1)]
    scopes: Scopes,
}

/// A key, this once with the key itself.
#[derive(Serialize, ToSchema)]
pub struct CreatedKey {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    id: KeyId,
    /// A name for people.
    name: String,
    /// What it may do.
    #[schema(value_type = Vec<words::Scope>)]
    scopes: Scopes,
    /// The key itself. It is shown this once and kept nowhere.
    key: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// Makes a key for a tenant
///
/// The key is shown this once. Needs scope `admin` in that tenant, or `operator`.
#[utoipa::path(
    post, path = "/tenants/{tenant_id}/keys", tag = "tenants", request_body = KeyWish,
    params(("tenant_id" = String, Path, format = Uuid)),
    responses((status = 201, description = "Made.", body = CreatedKey), CreateRefusals),
)]
pub async fn create_key(
    State(state): State<ApiState>,
    OptionalTenant { caller, .. }: OptionalTenant<Admin>,
    IdPath(tenant_id): IdPath<TenantId>,
    JsonBody(wish): JsonBody<KeyWish>,
) -> Result<(StatusCode, [(HeaderName, HeaderValue); 1], Json<CreatedKey>), ApiError> {
    let tenant = managed_tenant(&state, &caller, tenant_id).await?;
    check_label("name", &wish.name)?;
    check_scopes(&caller, wish.scopes)?;
    let secret = SecretKey::generate().map_err(|error| ApiError::internal(&error))?;
    let key = NewKey {
        id: KeyId::generate(),
        tenant_id: Some(tenant.id),
        name: wish.name,
        scopes: wish.scopes,
        hash: secret.hash(),
        created_at: state.now(),
    };
    state.stores.tenants.create_key(&key).await?;
    tracing::info!(key_id = %key.id, of_tenant = %tenant.name, scopes = key.scopes.to_text(), "key made");
    let NewKey { id, name, scopes, created_at, .. } = key;
    let answer = CreatedKey { id, name, scopes, key: secret.expose().to_owned(), created_at };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(answer)))
}

fn check_scopes(caller: &Caller, scopes: Scopes) -> Result<(), ApiError> {
    if scopes.iter().next().is_none() {
        return Err(ApiError::field("scopes", "must name at least one of read, write, admin"));
    }
    match scopes.iter().any(|scope| scope == Scope::Operator) {
        false => Ok(()),
        true if caller.is_operator() => Err(ApiError::field("scopes", "an operator's key belongs to no tenant")),
        true => Err(ApiError::new(ErrorCode::Forbidden, "only an operator may grant the scope 'operator'")),
    }
}
