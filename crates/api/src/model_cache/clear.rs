//! `DELETE /model-cache`.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Admin, OptionalTenant};
use crate::error::ApiError;
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(ClearRefusals: DeadlineExceeded);

/// What clearing did.
#[derive(Debug, Serialize, ToSchema)]
pub struct Cleared {
    /// How many models were unloaded.
    models_removed: usize,
}

/// Unloads the tenant's models
///
/// The next task loads its model again. An operator who names no tenant unloads all. Needs scope `admin`.
#[utoipa::path(
    delete, path = "/model-cache", tag = "model cache",
    responses((status = 200, description = "Unloaded.", body = Cleared), ClearRefusals),
)]
pub async fn clear_model_cache(
    State(state): State<ApiState>,
    OptionalTenant { caller, .. }: OptionalTenant<Admin>,
) -> Result<Json<Cleared>, ApiError> {
    let tenant = caller.tenant.as_ref().map(|tenant| tenant.name.clone());
    let models_removed = state.inference.clear_model_cache(tenant).await?;
    tracing::info!(models_removed, "model cache cleared");
    Ok(Json(Cleared { models_removed }))
}
