//! `GET /model-cache`.

use axum::Json;
use axum::extract::State;

use super::view::ModelCacheView;
use crate::auth::{Admin, OptionalTenant};
use crate::error::ApiError;
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(ShowRefusals: DeadlineExceeded);

/// Shows which of the tenant's models are loaded
///
/// An operator who names no tenant sees all. Needs scope `admin`.
#[utoipa::path(
    get, path = "/model-cache", tag = "model cache",
    responses((status = 200, description = "What is loaded.", body = ModelCacheView), ShowRefusals),
)]
pub async fn show_model_cache(
    State(state): State<ApiState>,
    OptionalTenant { caller, .. }: OptionalTenant<Admin>,
) -> Result<Json<ModelCacheView>, ApiError> {
    let tenant = caller.tenant.as_ref().map(|tenant| tenant.name.clone());
    Ok(Json(state.inference.model_cache(tenant).await?.into()))
}
