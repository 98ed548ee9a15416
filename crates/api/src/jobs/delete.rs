//! `DELETE /jobs/{id}`.

use axum::extract::State;
use http::StatusCode;
use ortolan_domain::{ErrorCode, TaskId};
use ortolan_store::DeleteOutcome;

use super::find;
use crate::auth::{Access, WriteAccess};
use crate::error::ApiError;
use crate::extract::IdPath;
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(DeleteRefusals: NotFound, WrongState);

/// Deletes a job that has ended
///
/// With its result. Needs scope `write`.
#[utoipa::path(
    delete, path = "/jobs/{job_id}", tag = "jobs", params(("job_id" = String, Path, format = Uuid)),
    responses((status = 204, description = "Deleted."), DeleteRefusals),
)]
pub async fn delete_job(
    State(state): State<ApiState>,
    Access { tenant, .. }: WriteAccess,
    IdPath(id): IdPath<TaskId>,
) -> Result<StatusCode, ApiError> {
    find(&state, &tenant, id).await?;
    match state.stores.tasks.delete(tenant.id, id).await? {
        DeleteOutcome::Deleted => Ok(StatusCode::NO_CONTENT),
        DeleteOutcome::WrongState(status) => {
            Err(ApiError::new(ErrorCode::WrongState, format!("Cannot delete job in {status} status")))
        }
        DeleteOutcome::NotFound => Err(ApiError::not_found("job")),
    }
}
