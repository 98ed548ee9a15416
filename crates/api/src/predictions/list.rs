//! `GET /models/{id}/predictions`.

use axum::Json;
use axum::extract::State;
use ortolan_domain::ModelId;

use super::require_model;
use super::view::PredictionView;
use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::extract::{IdPath, PageQuery, Query};
use crate::openapi::refusals;
use crate::page::PageView;
use crate::state::ApiState;

refusals!(ListRefusals: NotFound);

/// Lists a model's predictions, the newest first
///
/// Needs scope `read`.
#[utoipa::path(
    get, path = "/models/{model_id}/predictions", tag = "predictions",
    params(("model_id" = String, Path, format = Uuid), PageQuery),
    responses((status = 200, description = "One page.", body = PageView<PredictionView>), ListRefusals),
)]
pub async fn list_predictions(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    IdPath(id): IdPath<ModelId>,
    Query(page): Query<PageQuery>,
) -> Result<Json<PageView<PredictionView>>, ApiError> {
    let wish = page.check()?;
    require_model(&state, &tenant, id).await?;
    state.predictions.recorder.settled().await;
    let found = state.stores.predictions.predictions(tenant.id, id, wish.page_size, wish.offset()).await?;
    Ok(Json(PageView::of(found, wish)))
}
