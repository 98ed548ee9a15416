//! `GET /jobs/{id}/result`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use ortolan_domain::{Scope, Task, TaskId, TaskStatus, TaskType, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::find;
use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::extract::{IdPath, Query};
use crate::openapi::{refusals, words};
use crate::state::ApiState;
use crate::tasks::watch::wait_until_ended;

refusals!(ResultRefusals: NotFound, Invalid);

/// The longest that a client may wait in one request, in seconds.
const MOST_WAIT_S: f64 = 30.0;

/// How long to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ResultQuery {
    /// Waits for the job's end for so many seconds.
    #[serde(default)]
    #[param(minimum = 0, maximum = 30, default = 0)]
    wait: f64,
}

/// How a job ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobResult {
    /// The job.
    #[schema(value_type = String, format = Uuid)]
    job_id: TaskId,
    /// `completed`, `failed` or `cancelled`.
    #[schema(value_type = words::TaskStatus)]
    status: TaskStatus,
    /// The outputs by name.
    #[schema(value_type = Option<Object>)]
    result: Option<Value>,
    /// Why it failed.
    error_message: Option<String>,
    /// Where it failed; only for keys with scope `admin`, unless the installation shows it to everybody.
    error_traceback: Option<String>,
    /// How long the model took.
    inference_time_ms: Option<f64>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    completed_at: Option<Timestamp>,
}

/// A job that has not ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobUnderWay {
    /// The job.
    #[schema(value_type = String, format = Uuid)]
    job_id: TaskId,
    /// Where it stands.
    #[schema(value_type = words::TaskStatus)]
    status: TaskStatus,
    /// Always the same.
    message: &'static str,
}

/// Shows how a job ended, waiting for it if wished
///
/// Needs scope `read`.
#[utoipa::path(
    get, path = "/jobs/{job_id}/result", tag = "jobs",
    params(("job_id" = String, Path, format = Uuid), ResultQuery),
    responses(
        (status = 200, description = "It ended.", body = JobResult),
        (status = 202, description = "It has not ended.", body = JobUnderWay),
        ResultRefusals,
    ),
)]
pub async fn job_result(
    State(state): State<ApiState>,
    Access { tenant, caller, .. }: ReadAccess,
    IdPath(id): IdPath<TaskId>,
    Query(query): Query<ResultQuery>,
) -> Result<Response, ApiError> {
    if !(0.0..=MOST_WAIT_S).contains(&query.wait) {
        return Err(ApiError::field("wait", format!("must be from 0 to {MOST_WAIT_S} seconds, was {}", query.wait)));
    }
    let mut job = find(&state, &tenant, id).await?;
    if !job.status.is_terminal() && query.wait > 0.0 {
        let wait = Duration::from_secs_f64(query.wait);
        let ended = wait_until_ended(&state, tenant.id, id, wait).await?;
        job = ended
            .filter(|task| task.spec.task_type == TaskType::Inference)
            .ok_or_else(|| ApiError::not_found("job"))?;
    }
    if !job.status.is_terminal() {
        let message = "Job is still processing";
        return Ok(
            (StatusCode::ACCEPTED, Json(JobUnderWay { job_id: id, status: job.status, message })).into_response()
        );
    }
    let result = match job.status {
        TaskStatus::Completed => outputs(&state, &job).await?,
        _ => None,
    };
    let is_shown = state.settings().expose_tracebacks || caller.scopes.allows(Scope::Admin);
    let error_traceback = is_shown.then(|| traceback(&job)).flatten();
    Ok(Json(JobResult {
        job_id: id,
        status: job.status,
        result,
        error_traceback,
        error_message: job.error.map(|error| error.detail),
        inference_time_ms: job.inference_time_ms,
        completed_at: job.completed_at,
    })
    .into_response())
}

/// The outputs are the job's one artifact.
async fn outputs(state: &ApiState, job: &Task) -> Result<Option<Value>, ApiError> {
    let found = state.stores.tasks.artifacts(job.spec.tenant_id, job.spec.id, 1, 0).await?;
    let payload = found.and_then(|mut page| page.items.pop()).map(|artifact| artifact.payload);
    Ok(payload.and_then(|mut payload| payload.get_mut("output_data").map(Value::take)))
}

/// Which run failed where, for whoever looks into the log.
fn traceback(job: &Task) -> Option<String> {
    let error = job.error.as_ref()?;
    let mut lines = vec![format!("{}: {}", error.code, error.detail)];
    let worker = job.worker_id.as_deref().unwrap_or("none");
    lines.push(format!("  in attempt {} on worker {worker}", job.attempt));
    lines.extend(job.run_id.map(|run| format!("  in run {run}")));
    lines.push(format!("  after {} failures and {} crashes", job.failures, job.crashes));
    Some(lines.join("\n"))
}
