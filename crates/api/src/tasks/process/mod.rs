//! `POST /tasks/process`: a pipeline over one picture, waited for.

mod image;
mod placed;
mod request;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use ortolan_domain::artifact::ArtifactType;
use ortolan_domain::{ErrorCode, Priority, Task, TaskId, TaskStatus, TaskType};
use ortolan_store::CallbackKind;
use serde_json::Value;

use self::placed::wait_until_placed;
use self::request::{ProcessRequest, ProcessResult};
use super::guard::require_ingress;
use super::submit::{NewTaskParts, new_task, require_models, store};
use super::watch::{Watcher, wait_until_ended};
use super::wishes::callbacks;
use crate::auth::{Access, WriteAccess};
use crate::error::ApiError;
use crate::extract::{IdempotencyKey, JsonBody};
use crate::openapi::refusals;
use crate::quarantine::refuse_quarantined;
use crate::state::ApiState;

refusals!(
    ProcessRefusals: ModelNotFound, InvalidPipeline, NotFound, TooLarge, UnsupportedMedia, Invalid, CorruptMedia, OutOfMemory,
    IdempotencyConflict, Quarantined, QuotaExceeded, Cancelled, RunFailed, Crashed, DeadlineExceeded
);

/// Runs a pipeline over a picture
///
/// The definition is checked as a whole before any work. The answer comes when the pipeline has ended; what takes longer than
/// the installation waits goes on as a task, and the answer is 504 and names it. Needs scope `write`.
#[utoipa::path(
    post, path = "/tasks/process", tag = "pipelines", request_body = ProcessRequest,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and request give the same task; another request is refused."),
    ),
    responses(
        (status = 200, description = "What was found.", body = ProcessResult, headers(("Location" = String, description = "The task."))),
        ProcessRefusals,
    ),
)]
pub async fn process(
    State(state): State<ApiState>,
    Access { tenant, .. }: WriteAccess,
    idempotency: IdempotencyKey,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ProcessRequest>,
) -> Result<Response, ApiError> {
    require_ingress(state.settings(), &headers)?;
    request.check(&tenant.name)?;
    let config = request.config(state.settings())?;
    state.quota.admit(tenant.id, state.now()).await?;
    require_models(&state, &tenant, TaskType::Pipeline, &config.config).await?;
    let callbacks = callbacks(state.settings(), &config.config, request.callback_url.as_deref())?;
    let has_pictures = callbacks.iter().any(|callback| callback.kind == CallbackKind::Pictures);
    let picture = image::resolve(&state, &tenant, &request.image_url).await?;
    let slots = config.config.slots(TaskType::Pipeline);
    if let Err(refused) = refuse_quarantined(&state, tenant.id, slots, Some(&picture.input)).await {
        picture.discard(&state, &tenant).await?;
        return Err(refused);
    }
    let promise = idempotency.promise(&state, &request.parts(&config));
    // Watched from before it exists, so that its end cannot be missed.
    let id = TaskId::generate();
    let watcher = Watcher::new(&state, tenant.id, id)?;
    let parts = NewTaskParts { id, task_type: TaskType::Pipeline, priority: Priority::Normal };
    let new = new_task(&state, &tenant, parts, config, Some(picture.input.clone()));
    let stored = store(&state, new, callbacks, promise).await;
    if !matches!(stored, Ok((_, true))) {
        picture.discard(&state, &tenant).await?;
    }
    let (task, is_new) = stored?;
    let wait = state.settings().process_wait;
    let ended = match is_new {
        true => watcher.ended(wait).await?,
        false => wait_until_ended(&state, tenant.id, task.spec.id, wait).await?,
    };
    let task = ended.unwrap_or(*task);
    if has_pictures && task.status == TaskStatus::Completed {
        wait_until_placed(&state, &task).await?;
    }
    answer(&state, task).await
}

async fn answer(state: &ApiState, task: Task) -> Result<Response, ApiError> {
    let id = task.spec.id;
    match (task.status, task.error) {
        (TaskStatus::Completed, _) => {
            let result = result_of(state, task.spec.tenant_id, id).await?;
            let mut response = Json(ProcessResult { task_id: id, result }).into_response();
            let location = HeaderValue::from_str(&format!("/api/v1/tasks/{id}"));
            response.headers_mut().insert(header::LOCATION, location.map_err(|error| ApiError::internal(&error))?);
            Ok(response)
        }
        (TaskStatus::Failed, Some(error)) => Err(ApiError::new(error.code, format!("task {id}: {}", error.detail))),
        (TaskStatus::Cancelled | TaskStatus::Failed, _) => {
            Err(ApiError::new(ErrorCode::Cancelled, format!("task {id} was cancelled")))
        }
        _ => {
            let detail = format!("the pipeline takes longer than a request may; it goes on as task {id}");
            Err(ApiError::new(ErrorCode::DeadlineExceeded, detail))
        }
    }
}

/// The result is the first artifact of its task.
async fn result_of(state: &ApiState, tenant: ortolan_domain::TenantId, task: TaskId) -> Result<Value, ApiError> {
    let page = state.stores.tasks.artifacts(tenant, task, 1, 0).await?;
    let first = page.and_then(|page| page.items.into_iter().next());
    let result = first.filter(|artifact| artifact.artifact_type == ArtifactType::PipelineResult);
    result.map(|artifact| artifact.payload).ok_or_else(|| ApiError::not_found("task"))
}
