//! A task as clients see it.

use ortolan_domain::task::TaskError;
use ortolan_domain::{MediaId, Priority, RunId, Task, TaskId, TaskStatus, TaskType, Timestamp, VideoId};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::openapi::words;

/// A task.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Task)]
pub struct TaskView<'a> {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    pub task_id: TaskId,
    /// What it does.
    #[schema(value_type = words::TaskType)]
    pub task_type: TaskType,
    /// The media object that it looks at.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub media_id: Option<MediaId>,
    /// The video that it belongs to.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub video_id: Option<VideoId>,
    /// Where it stands.
    #[schema(value_type = words::TaskStatus)]
    pub status: TaskStatus,
    /// How urgent it is.
    #[schema(value_type = words::Priority)]
    pub priority: Priority,
    /// How often it was handed out; only grows, but for a hand-out that the queue did not take.
    pub attempt: i64,
    /// Grows with every change of status: the id of the latest event.
    pub version: i64,
    /// The full configuration, defaults filled in.
    #[schema(value_type = Object)]
    pub config: &'a RawValue,
    /// Why it failed.
    #[schema(value_type = Option<TaskErrorView>)]
    #[serde(serialize_with = "error_view")]
    pub error: Option<&'a TaskError>,
    /// How far its run is, 0 to 1.
    pub progress: Option<f64>,
    /// When it was submitted.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was handed out last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub queued_at: Option<Timestamp>,
    /// When its latest run started.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub completed_at: Option<Timestamp>,
    /// The latest run.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub run_id: Option<RunId>,
    /// The worker of the latest run.
    pub worker_id: Option<&'a str>,
    /// How long it waited to be run.
    pub queue_time_ms: Option<f64>,
    /// How long the model took.
    pub inference_time_ms: Option<f64>,
    /// The request that submitted it.
    pub request_id: Option<&'a str>,
}

/// Why a task failed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskError)]
struct TaskErrorView<'a> {
    /// A word that programs can rely on.
    code: &'a str,
    /// What happened.
    detail: &'a str,
}

fn error_view<S: Serializer>(error: &Option<&TaskError>, serializer: S) -> Result<S::Ok, S::Error> {
    error.map(|error| TaskErrorView { code: error.code.as_str(), detail: &error.detail }).serialize(serializer)
}

impl<'a> From<&'a Task> for TaskView<'a> {
    fn from(task: &'a Task) -> Self {
        Self {
            task_id: task.spec.id,
            task_type: task.spec.task_type,
            media_id: task.spec.input.as_ref().map(|input| input.media_id),
            video_id: task.video_id(),
            status: task.status,
            priority: task.spec.priority,
            attempt: task.attempt,
            version: task.version,
            config: &task.spec.config,
            error: task.error.as_ref(),
            progress: task.progress,
            created_at: task.spec.created_at,
            queued_at: task.queued_at,
            started_at: task.started_at,
            completed_at: task.completed_at,
            run_id: task.run_id,
            worker_id: task.worker_id.as_deref(),
            queue_time_ms: task.queue_time_ms(),
            inference_time_ms: task.inference_time_ms,
            request_id: task.spec.origin.request_id.as_deref(),
        }
    }
}
