//! `GET /models/{id}`.

use axum::extract::State;
use axum::response::Response;
use ortolan_domain::ModelId;

use super::cache::{self, Key};
use super::view::ModelView;
use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::extract::IdPath;
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(GetRefusals: NotFound);

/// Shows a version of a model
///
/// Needs scope `read`.
#[utoipa::path(
    get, path = "/models/{model_id}", tag = "models",
    params(("model_id" = String, Path, format = Uuid)),
    responses(
        (status = 200, description = "The version.", body = ModelView, headers(("X-Cache" = String, description = "`HIT` or `MISS`."))),
        GetRefusals,
    ),
)]
pub async fn get_model(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    IdPath(id): IdPath<ModelId>,
) -> Result<Response, ApiError> {
    cache::answer(&state, &tenant, Key::Model(id)).await
}
