//! `PATCH /tenants/{id}`.

use axum::Json;
use axum::extract::State;
use ortolan_domain::TenantId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::{TenantView, check_label};
use crate::auth::OperatorAccess;
use crate::error::ApiError;
use crate::extract::{IdPath, JsonBody};
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(UpdateRefusals: NotFound, Invalid, UnsupportedMedia, TooLarge);

/// What of a tenant may change. What is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantChange {
    /// A name for people.
    #[schema(min_length = 1, max_length = 100)]
    display_name: Option<String>,
    /// Refuses the tenant's keys, or takes them again. Tasks under way go on.
    disabled: Option<bool>,
}

/// Changes a tenant
///
/// Needs scope `operator`.
#[utoipa::path(
    patch, path = "/tenants/{tenant_id}", tag = "tenants", request_body = TenantChange,
    params(("tenant_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "The tenant as it is now.", body = TenantView), UpdateRefusals),
)]
pub async fn update_tenant(
    State(state): State<ApiState>,
    _: OperatorAccess,
    IdPath(id): IdPath<TenantId>,
    JsonBody(change): JsonBody<TenantChange>,
) -> Result<Json<TenantView>, ApiError> {
    change.display_name.as_deref().map_or(Ok(()), |label| check_label("display_name", label))?;
    let changed = state.stores.tenants.update_tenant(id, change.display_name.as_deref(), change.disabled).await?;
    let tenant = changed.ok_or_else(|| ApiError::not_found("tenant"))?;
    state.auth.keys_changed();
    Ok(Json(tenant.into()))
}
