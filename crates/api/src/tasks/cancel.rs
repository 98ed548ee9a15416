//! `POST /tasks/{id}/cancel`.

use axum::Json;
use axum::extract::State;
use ortolan_domain::{TaskId, TaskStatus};
use ortolan_store::CancelOutcome;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Access, WriteAccess};
use crate::error::ApiError;
use crate::extract::IdPath;
use crate::openapi::{refusals, words};
use crate::state::ApiState;

refusals!(CancelRefusals: NotFound, WrongState);

/// A task that is cancelled.
#[derive(Debug, Serialize, ToSchema)]
pub struct CancelledTask {
    /// The task.
    #[schema(value_type = String, format = Uuid)]
    task_id: TaskId,
    /// Always `cancelled`.
    #[schema(value_type = words::TaskStatus)]
    status: TaskStatus,
    /// What was cancelled.
    message: String,
}

/// Cancels a task that has not ended
///
/// It is cancelled when this returns: it never gets artifacts, and what runs for it is stopped. Needs scope `write`.
#[utoipa::path(
    post, path = "/tasks/{task_id}/cancel", tag = "tasks",
    params(("task_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "Cancelled.", body = CancelledTask), CancelRefusals),
)]
pub async fn cancel_task(
    State(state): State<ApiState>,
    Access { tenant, .. }: WriteAccess,
    IdPath(id): IdPath<TaskId>,
) -> Result<Json<CancelledTask>, ApiError> {
    match state.stores.tasks.cancel(tenant.id, id, state.now()).await? {
        CancelOutcome::Cancelled { was, attempt } => {
            state.signals.publish_cancel(attempt);
            let message = format!("the {was} task was cancelled");
            Ok(Json(CancelledTask { task_id: id, status: TaskStatus::Cancelled, message }))
        }
        CancelOutcome::WrongState(status) => {
            Err(ApiError::wrong_status("cancelled", status, "pending, queued or running"))
        }
        CancelOutcome::NotFound => Err(ApiError::not_found("task")),
    }
}
