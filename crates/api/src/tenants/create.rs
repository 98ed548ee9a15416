//! `POST /tenants`.

use axum::Json;
use axum::extract::State;
use http::{HeaderName, StatusCode, header};
use ortolan_domain::{ErrorCode, FieldError, TenantId, TenantSlug};
use ortolan_store::{Idempotency, NewTenantOutcome, StoreError, Tenant};
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::{TenantView, check_label};
use crate::auth::OperatorAccess;
use crate::error::ApiError;
use crate::extract::{IdempotencyKey, JsonBody, idempotency_conflict};
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(CreateRefusals: Duplicate, IdempotencyConflict, Invalid, UnsupportedMedia, TooLarge);

/// The folder of all tenants' models, which a tenant of this name would share with them.
const RESERVED: &str = "models";

/// A tenant to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    /// 1 to 100 of a-z, 0-9, `-` and `_`.
    #[schema(min_length = 1, max_length = 100, pattern = "^[a-z0-9_-]+$")]
    name: String,
    /// A name for people.
    #[schema(min_length = 1, max_length = 100)]
    display_name: Option<String>,
}

/// Creates a tenant
///
/// Needs scope `operator`.
#[utoipa::path(
    post, path = "/tenants", tag = "tenants", request_body = NewTenant,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and request give the same tenant.")),
    responses(
        (status = 201, description = "Created.", body = TenantView, headers(("Location" = String, description = "Where it is."))),
        CreateRefusals,
    ),
)]
pub async fn create_tenant(
    State(state): State<ApiState>,
    _: OperatorAccess,
    idempotency: IdempotencyKey,
    JsonBody(wish): JsonBody<NewTenant>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<TenantView>), ApiError> {
    let name = TenantSlug::parse(&wish.name).map_err(|error| FieldError::new("name", error.to_string()))?;
    if name.as_str() == RESERVED {
        return Err(ApiError::field("name", format!("'{RESERVED}' is reserved")));
    }
    wish.display_name.as_deref().map_or(Ok(()), |label| check_label("display_name", label))?;
    let request = ["POST /tenants", name.as_str(), wish.display_name.as_deref().unwrap_or_default()];
    let promise = idempotency.promise(&state, &request);
    let id = TenantId::generate();
    let tenant = Tenant { id, name, display_name: wish.display_name, disabled: false, created_at: state.now() };
    let tenant = store(&state, tenant, promise).await?;
    let location = format!("/api/v1/tenants/{}", tenant.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(tenant.into())))
}

/// Stores the tenant, or finds the one that the same key made before.
async fn store(state: &ApiState, tenant: Tenant, promise: Option<Idempotency>) -> Result<Tenant, ApiError> {
    let tenants = &state.stores.tenants;
    let taken = |error| refuse_taken(error, &tenant.name);
    let Some(promise) = promise else {
        tenants.create_tenant(&tenant).await.map_err(taken)?;
        return Ok(tenant);
    };
    match tenants.create_tenant_once(&tenant, promise).await.map_err(taken)? {
        NewTenantOutcome::Created => Ok(tenant),
        NewTenantOutcome::Replayed(before) => Ok(*before),
        NewTenantOutcome::Conflict => Err(idempotency_conflict()),
    }
}

fn refuse_taken(error: StoreError, name: &TenantSlug) -> ApiError {
    match error {
        StoreError::Duplicate => ApiError::new(ErrorCode::Duplicate, format!("there is a tenant '{name}' already")),
        error => error.into(),
    }
}
