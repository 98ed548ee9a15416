//! `DELETE /tenants/{id}`.

use axum::extract::State;
use http::StatusCode;
use ortolan_domain::TenantId;

use super::objects::delete_objects;
use crate::auth::OperatorAccess;
use crate::error::ApiError;
use crate::extract::IdPath;
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(DeleteRefusals: NotFound);

/// Deletes a tenant with all it has
///
/// Keys, tasks, results, media and models. When the object store does not answer, the tenant stays, disabled, and the call can be
/// repeated. Needs scope `operator`.
#[utoipa::path(
    delete, path = "/tenants/{tenant_id}", tag = "tenants",
    params(("tenant_id" = String, Path, format = Uuid)),
    responses((status = 204, description = "Deleted."), DeleteRefusals),
)]
pub async fn delete_tenant(
    State(state): State<ApiState>,
    _: OperatorAccess,
    IdPath(id): IdPath<TenantId>,
) -> Result<StatusCode, ApiError> {
    // Disabled first: from here on nothing new comes in, and the next tenant of this name finds no model of this one.
    let disabled = state.stores.tenants.update_tenant(id, None, Some(true)).await?;
    let tenant = disabled.ok_or_else(|| ApiError::not_found("tenant"))?;
    state.auth.keys_changed();
    delete_objects(&state.blobs, &tenant.name).await?;
    state.stores.tenants.delete_tenant(id).await?;
    state.auth.keys_changed();
    // What was being uploaded in the meantime.
    delete_objects(&state.blobs, &tenant.name).await?;
    if let Err(error) = state.inference.clear_model_cache(Some(tenant.name.clone())).await {
        tracing::warn!(tenant_id = %tenant.name, %error, "models of a deleted tenant stay loaded until the ML service is asked again");
    }
    Ok(StatusCode::NO_CONTENT)
}
