//! `POST /tasks/{id}/retry`.

use axum::Json;
use axum::extract::State;
use ortolan_domain::job::{Attempt, delivery_id};
use ortolan_domain::{TaskId, TaskStatus};
use ortolan_store::RetryOutcome;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Access, WriteAccess};
use crate::error::ApiError;
use crate::extract::IdPath;
use crate::openapi::{refusals, words};
use crate::state::ApiState;

refusals!(RetryRefusals: NotFound, WrongState, QuotaExceeded);

/// A task that is tried again.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetriedTask {
    /// The task.
    #[schema(value_type = String, format = Uuid)]
    task_id: TaskId,
    /// The delivery that it will have.
    job_id: String,
    /// Always `pending`.
    #[schema(value_type = words::TaskStatus)]
    status: TaskStatus,
}

/// Tries a failed or cancelled task again
///
/// With the same configuration. Needs scope `write`.
#[utoipa::path(
    post, path = "/tasks/{task_id}/retry", tag = "tasks",
    params(("task_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "Pending again.", body = RetriedTask), RetryRefusals),
)]
pub async fn retry_task(
    State(state): State<ApiState>,
    Access { tenant, .. }: WriteAccess,
    IdPath(id): IdPath<TaskId>,
) -> Result<Json<RetriedTask>, ApiError> {
    state.quota.admit(tenant.id, state.now()).await?;
    match state.stores.tasks.retry(tenant.id, id, state.now()).await? {
        RetryOutcome::Pending(task) => {
            // The dispatch that follows raises the attempt by one.
            let job_id = delivery_id(Attempt { task_id: id, attempt: task.attempt + 1 });
            Ok(Json(RetriedTask { task_id: id, job_id, status: task.status }))
        }
        RetryOutcome::WrongState(status) => Err(ApiError::wrong_status("retried", status, "failed or cancelled")),
        RetryOutcome::NotFound => Err(ApiError::not_found("task")),
    }
}
