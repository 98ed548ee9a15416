//! `POST /tasks/{id}/enqueue`.

use axum::Json;
use axum::extract::State;
use ortolan_dispatch::{DispatchError, Enqueued};
use ortolan_domain::job::{Attempt, delivery_id};
use ortolan_domain::{Task, TaskId, TaskType, VideoId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Access, WriteAccess};
use crate::error::ApiError;
use crate::extract::IdPath;
use crate::openapi::{refusals, words};
use crate::state::ApiState;

refusals!(EnqueueRefusals: NotFound, WrongState);

/// A task that is in its queue.
#[derive(Debug, Serialize, ToSchema)]
pub struct EnqueuedTask {
    /// The task.
    #[schema(value_type = String, format = Uuid)]
    task_id: TaskId,
    /// The delivery in the queue.
    job_id: String,
    /// Always `enqueued`.
    status: &'static str,
    /// What it does.
    #[schema(value_type = words::TaskType)]
    task_type: TaskType,
    /// The video that it belongs to.
    #[schema(value_type = Option<String>, format = Uuid)]
    video_id: Option<VideoId>,
}

impl EnqueuedTask {
    fn of(task: &Task) -> Self {
        Self {
            task_id: task.spec.id,
            job_id: delivery_id(Attempt { task_id: task.spec.id, attempt: task.attempt }),
            status: "enqueued",
            task_type: task.spec.task_type,
            video_id: task.video_id(),
        }
    }
}

/// Puts a pending task into its queue now
///
/// Whatever waits before it. When the queue does not answer, the task stays pending. Needs scope `write`.
#[utoipa::path(
    post, path = "/tasks/{task_id}/enqueue", tag = "tasks",
    params(("task_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "In its queue.", body = EnqueuedTask), EnqueueRefusals),
)]
pub async fn enqueue_task(
    State(state): State<ApiState>,
    Access { tenant, .. }: WriteAccess,
    IdPath(id): IdPath<TaskId>,
) -> Result<Json<EnqueuedTask>, ApiError> {
    match state.dispatcher.enqueue_now(tenant.id, id).await.map_err(unavailable)? {
        Enqueued::Queued(task) => Ok(Json(EnqueuedTask::of(&task))),
        Enqueued::WrongState(status) => Err(ApiError::wrong_status("enqueued", status, "pending")),
        Enqueued::NotFound => Err(ApiError::not_found("task")),
    }
}

fn unavailable(error: DispatchError) -> ApiError {
    match error {
        DispatchError::Store(error) => error.into(),
        DispatchError::Unavailable(error) => ApiError::unavailable("the queue", &error),
    }
}
