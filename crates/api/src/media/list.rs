//! `GET /media`.

use axum::Json;
use axum::extract::State;

use super::view::MediaView;
use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::extract::{PageQuery, Query};
use crate::openapi::refusals;
use crate::page::PageView;
use crate::state::ApiState;

refusals!(ListRefusals:);

/// Lists media objects, the newest first
///
/// Needs scope `read`.
#[utoipa::path(
    get, path = "/media", tag = "media", params(PageQuery),
    responses((status = 200, description = "One page.", body = PageView<MediaView>), ListRefusals),
)]
pub async fn list_media(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    Query(page): Query<PageQuery>,
) -> Result<Json<PageView<MediaView>>, ApiError> {
    let wish = page.check()?;
    let found = state.stores.media.list_media(tenant.id, wish.page_size, wish.offset()).await?;
    Ok(Json(PageView::of(found, wish)))
}
