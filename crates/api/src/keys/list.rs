//! `GET /tenants/{id}/keys`.

use axum::Json;
use axum::extract::State;
use ortolan_domain::TenantId;

use super::managed_tenant;
use super::view::KeyView;
use crate::auth::{Admin, OptionalTenant};
use crate::error::ApiError;
use crate::extract::{IdPath, PageQuery, Query};
use crate::openapi::refusals;
use crate::page::PageView;
use crate::state::ApiState;

refusals!(ListRefusals: NotFound);

/// Lists a tenant's keys, the newest first
///
/// Without the keys themselves. Needs scope `admin` in that tenant, or `operator`.
#[utoipa::path(
    get, path = "/tenants/{tenant_id}/keys", tag = "tenants",
    params(("tenant_id" = String, Path, format = Uuid), PageQuery),
    responses((status = 200, description = "One page.", body = PageView<KeyView>), ListRefusals),
)]
pub async fn list_keys(
    State(state): State<ApiState>,
    OptionalTenant { caller, .. }: OptionalTenant<Admin>,
    IdPath(tenant_id): IdPath<TenantId>,
    Query(page): Query<PageQuery>,
) -> Result<Json<PageView<KeyView>>, ApiError> {
    let wish = page.check()?;
    let tenant = managed_tenant(&state, &caller, tenant_id).await?;
    let found = state.stores.tenants.keys(Some(tenant.id), wish.page_size, wish.offset()).await?;
    Ok(Json(PageView::of(found, wish)))
}
