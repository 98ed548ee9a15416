//! A job as clients see it.

use ortolan_domain::config::InferenceConfig;
use ortolan_domain::{ModelId, Priority, Task, TaskId, TaskStatus, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::openapi::words;

/// A job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Job)]
pub struct JobView {
    /// Its id, which is also that of its task.
    #[schema(value_type = String, format = Uuid)]
    pub job_id: TaskId,
    /// The version that is asked.
    #[schema(value_type = String, format = Uuid)]
    model_id: ModelId,
    /// Where it stands.
    #[schema(value_type = words::TaskStatus)]
    status: TaskStatus,
    /// How urgent it is.
    #[schema(value_type = words::Priority)]
    priority: Priority,
    /// The inputs.
    #[schema(value_type = Object)]
    input_data: Box<RawValue>,
    /// How often it was handed out.
    attempt: i64,
    /// Transient failures so far.
    retries: i32,
    /// The worker of the latest run.
    worker_id: Option<String>,
    /// How long it waited to be run.
    queue_time_ms: Option<f64>,
    /// How long the model took.
    inference_time_ms: Option<f64>,
    /// Why it failed.
    error_message: Option<String>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was handed out last.
    #[schema(value_type = Option<String>, format = DateTime)]
    queued_at: Option<Timestamp>,
    /// When its latest run started.
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    completed_at: Option<Timestamp>,
}

impl JobView {
    /// A task of type `inference` as a job.
    pub fn of(task: Task) -> Result<Self, ApiError> {
        let config: InferenceConfig =
            serde_json::from_str(task.spec.config.get()).map_err(|error| ApiError::internal(&error))?;
        Ok(Self {
            job_id: task.spec.id,
            model_id: config.model_id,
            status: task.status,
            priority: task.spec.priority,
            input_data: config.input_data.0,
            attempt: task.attempt,
            retries: task.failures,
            queue_time_ms: task.queue_time_ms(),
            worker_id: task.worker_id,
            inference_time_ms: task.inference_time_ms,
            error_message: task.error.map(|error| error.detail),
            created_at: task.spec.created_at,
            queued_at: task.queued_at,
            started_at: task.started_at,
            completed_at: task.completed_at,
        })
    }
}
