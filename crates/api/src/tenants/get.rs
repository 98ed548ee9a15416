//! `GET /tenants/{id}`.

use axum::Json;
use axum::extract::State;
use ortolan_domain::TenantId;

use super::view::TenantView;
use crate::auth::OperatorAccess;
use crate::error::ApiError;
use crate::extract::IdPath;
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(GetRefusals: NotFound);

/// Describes a tenant
///
/// Needs scope `operator`.
#[utoipa::path(
    get, path = "/tenants/{tenant_id}", tag = "tenants",
    params(("tenant_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "The tenant.", body = TenantView), GetRefusals),
)]
pub async fn get_tenant(
    State(state): State<ApiState>,
    _: OperatorAccess,
    IdPath(id): IdPath<TenantId>,
) -> Result<Json<TenantView>, ApiError> {
    let tenant = state.stores.tenants.tenant(id).await?.ok_or_else(|| ApiError::not_found("tenant"))?;
    Ok(Json(tenant.into()))
}
