//! `POST /jobs/{id}/cancel`.

use axum::Json;
use axum::extract::State;
use ortolan_domain::{ErrorCode, TaskId};
use ortolan_store::CancelOutcome;

use super::find;
use super::view::JobView;
use crate::auth::{Access, WriteAccess};
use crate::error::ApiError;
use crate::extract::IdPath;
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(CancelRefusals: NotFound, WrongState);

/// Cancels a job that has not ended
///
/// It is cancelled when this returns: it never gets a result, and what runs for it is stopped. Needs scope `write`.
#[utoipa::path(
    post, path = "/jobs/{job_id}/cancel", tag = "jobs", params(("job_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "Cancelled.", body = JobView), CancelRefusals),
)]
pub async fn cancel_job(
    State(state): State<ApiState>,
    Access { tenant, .. }: WriteAccess,
    IdPath(id): IdPath<TaskId>,
) -> Result<Json<JobView>, ApiError> {
    find(&state, &tenant, id).await?;
    match state.stores.tasks.cancel(tenant.id, id, state.now()).await? {
        CancelOutcome::Cancelled { attempt, .. } => {
            state.signals.publish_cancel(attempt);
            JobView::of(find(&state, &tenant, id).await?).map(Json)
        }
        CancelOutcome::WrongState(status) => {
            Err(ApiError::new(ErrorCode::WrongState, format!("Cannot cancel job in {status} status")))
        }
        CancelOutcome::NotFound => Err(ApiError::not_found("job")),
    }
}
