//! `GET /predictions/{id}`.

use axum::Json;
use axum::extract::State;
use ortolan_domain::PredictionId;

use super::view::PredictionView;
use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::extract::IdPath;
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(GetRefusals: NotFound);

/// Shows a prediction
///
/// Needs scope `read`.
#[utoipa::path(
    get, path = "/predictions/{prediction_id}", tag = "predictions",
    params(("prediction_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "The record.", body = PredictionView), GetRefusals),
)]
pub async fn get_prediction(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    IdPath(id): IdPath<PredictionId>,
) -> Result<Json<PredictionView>, ApiError> {
    state.predictions.recorder.settled().await;
    let found = state.stores.predictions.prediction(tenant.id, id).await?;
    Ok(Json(found.ok_or_else(|| ApiError::not_found("prediction"))?.into()))
}
