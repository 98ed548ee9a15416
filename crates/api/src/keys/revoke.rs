//! `DELETE /keys/{id}`.

use axum::extract::State;
use http::StatusCode;
use ortolan_domain::KeyId;

use crate::auth::{Admin, Caller, OptionalTenant};
use crate::error::ApiError;
use crate::extract::IdPath;
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(RevokeRefusals: NotFound);

/// Tenants that are looked at in one turn.
const BATCH: u32 = 100;

/// Revokes a key
///
/// It is refused from this moment on. Needs scope `admin` in the key's tenant, or `operator`.
#[utoipa::path(
    delete, path = "/keys/{key_id}", tag = "tenants",
    params(("key_id" = String, Path, format = Uuid)),
    responses((status = 204, description = "Revoked."), RevokeRefusals),
)]
pub async fn revoke_key(
    State(state): State<ApiState>,
    OptionalTenant { caller, .. }: OptionalTenant<Admin>,
    IdPath(id): IdPath<KeyId>,
) -> Result<StatusCode, ApiError> {
    let revoked = revoke(&state, &caller, id).await?;
    state.auth.keys_changed();
    if !revoked {
        return Err(ApiError::not_found("key"));
    }
    tracing::info!(key_id = %id, "key revoked");
    Ok(StatusCode::NO_CONTENT)
}

async fn revoke(state: &ApiState, caller: &Caller, id: KeyId) -> Result<bool, ApiError> {
    let tenants = &state.stores.tenants;
    if let Some(tenant) = &caller.tenant {
        return Ok(tenants.revoke_key(Some(tenant.id), id, state.now()).await?);
    }
    if tenants.revoke_key(None, id, state.now()).await? {
        return Ok(true);
    }
    // An operator who names no tenant: a key is known to the store only together with its tenant.
    for page in 0.. {
        let found = tenants.tenants(BATCH, page * u64::from(BATCH)).await?;
        for tenant in &found.items {
            if tenants.revoke_key(Some(tenant.id), id, state.now()).await? {
                return Ok(true);
            }
        }
        if found.items.is_empty() {
            break;
        }
    }
    Ok(false)
}
