//! `DELETE /models/{id}`.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use ortolan_domain::ModelId;
use ortolan_domain::model::ModelRef;
use ortolan_store::Tenant;

use super::{answers_otherwise, file_path, unknown};
use crate::auth::{Access, WriteAccess};
use crate::error::ApiError;
use crate::extract::IdPath;
use crate::openapi::refusals;
use crate::state::ApiState;
use crate::upload::PendingObject;

refusals!(DeleteRefusals: NotFound);

/// Deletes a version of a model
///
/// Its file, its predictions and its jobs go with it; a copy of it in a slot stays. Needs scope `write`.
#[utoipa::path(
    delete, path = "/models/{model_id}", tag = "models",
    params(("model_id" = String, Path, format = Uuid)),
    responses((status = 204, description = "Deleted."), DeleteRefusals),
)]
pub async fn delete_model(
    State(state): State<ApiState>,
    Access { tenant, .. }: WriteAccess,
    IdPath(id): IdPath<ModelId>,
) -> Result<StatusCode, ApiError> {
    // A client that leaves in the middle must not leave a file behind, or a model loaded, that nobody knows of.
    tokio::spawn(delete(state, tenant, id)).await.map_err(|error| ApiError::internal(&error))?
}

async fn delete(state: ApiState, tenant: Arc<Tenant>, id: ModelId) -> Result<StatusCode, ApiError> {
    let model = state.stores.models.delete_model(tenant.id, id).await?.ok_or_else(|| unknown(id))?;
    let reference = ModelRef::new(tenant.name.clone(), id);
    PendingObject::new(&state.blobs, file_path(&reference)?).discard().await;
    answers_otherwise(&state, &tenant, &model).await;
    if let Err(error) = state.inference.unload_model(reference).await {
        tracing::warn!(model_id = %id, %error, "a deleted model may stay loaded until its service starts again");
    }
    Ok(StatusCode::NO_CONTENT)
}
