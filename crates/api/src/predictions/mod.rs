//! What was predicted: records of synchronous predictions, newest first, and their export.

mod export;
mod get;
mod list;
mod view;

use ortolan_domain::ModelId;
use ortolan_store::Tenant;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::state::ApiState;

/// The routes of records.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list::list_predictions))
        .routes(routes!(export::export_predictions))
        .routes(routes!(get::get_prediction))
}

/// Refuses a version that the tenant does not have.
async fn require_model(state: &ApiState, tenant: &Tenant, id: ModelId) -> Result<(), ApiError> {
    let model = state.stores.models.model(tenant.id, id).await?;
    model.map(drop).ok_or_else(|| ApiError::not_found("model"))
}
