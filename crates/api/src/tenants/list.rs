//! `GET /tenants`.

use axum::Json;
use axum::extract::State;

use super::view::TenantView;
use crate::auth::OperatorAccess;
use crate::error::ApiError;
use crate::extract::{PageQuery, Query};
use crate::openapi::refusals;
use crate::page::PageView;
use crate::state::ApiState;

refusals!(ListRefusals:);

/// Lists tenants by name
///
/// Needs scope `operator`.
#[utoipa::path(
    get, path = "/tenants", tag = "tenants", params(PageQuery),
    responses((status = 200, description = "One page.", body = PageView<TenantView>), ListRefusals),
)]
pub async fn list_tenants(
    State(state): State<ApiState>,
    _: OperatorAccess,
    Query(page): Query<PageQuery>,
) -> Result<Json<PageView<TenantView>>, ApiError> {
    let wish = page.check()?;
    let found = state.stores.tenants.tenants(wish.page_size, wish.offset()).await?;
    Ok(Json(PageView::of(found, wish)))
}
