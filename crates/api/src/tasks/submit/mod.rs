//! `POST /tasks`.

mod body;
mod input;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use ortolan_domain::config::CheckedConfig;
use ortolan_domain::task::{NewTask, TaskInput};
use ortolan_domain::{Priority, Task, TaskId, TaskType};
use ortolan_service::telemetry::metrics::task_submitted;
use ortolan_store::{Idempotency, NewCallback, Submission, Tenant};

use self::body::{Order, TaskForm, TaskWish};
pub use self::input::require_models;
use super::guard::require_ingress;
use super::view::TaskView;
use super::watch::{Watcher, wait_until_ended};
use super::wishes::callbacks;
use crate::auth::{Access, WriteAccess};
use crate::error::ApiError;
use crate::extract::{IdempotencyKey, PreferWait, idempotency_conflict};
use crate::media::{delete_media, register};
use crate::middleware::origin;
use crate::openapi::refusals;
use crate::quarantine::refuse_quarantined;
use crate::state::ApiState;

refusals!(
    SubmitRefusals: ModelNotFound, InvalidPipeline, NotFound, TooLarge, UnsupportedMedia, Invalid, CorruptMedia, OutOfMemory, IdempotencyConflict,
    Quarantined, QuotaExceeded, DeadlineExceeded
);

/// Submits a task
///
/// As JSON that names a media object, or as a form with the parts `file` and `task` (the same JSON without `media_id`). The answer
/// is 201 as soon as the task is stored, also while it cannot be run. Needs scope `write`.
#[utoipa::path(
    post, path = "/tasks", tag = "tasks",
    params(
        ("Prefer" = Option<String>, Header, description = "`wait=N`: waits for the end for at most N seconds (30 at most); the answer is 201 in any case."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and request give the same task; another request is refused."),
    ),
    request_body(content((TaskWish = "application/json"), (TaskForm = "multipart/form-data"))),
    responses(
        (status = 201, description = "Stored.", body = TaskView, headers(("Location" = String, description = "Where it is."))),
        SubmitRefusals,
    ),
)]
pub async fn submit_task(
    State(state): State<ApiState>,
    Access { tenant, .. }: WriteAccess,
    idempotency: IdempotencyKey,
    PreferWait(wait): PreferWait,
    request: Request,
) -> Result<Response, ApiError> {
    require_ingress(state.settings(), request.headers())?;
    state.quota.admit(tenant.id, state.now()).await?;
    let order = Order::read(&state, &tenant, request).await?;
    // Watched from before it exists, so that its end cannot be missed and nothing has to be read to be sure.
    let id = TaskId::generate();
    let watcher = wait.map(|_| Watcher::new(&state, tenant.id, id)).transpose()?;
    let task = submit(&state, &tenant, id, order, idempotency).await?;
    let task = match (wait, watcher) {
        (Some(wait), Some(watcher)) if task.spec.id == id => watcher.ended(wait).await?.unwrap_or(*task),
        (Some(wait), _) => wait_until_ended(&state, tenant.id, task.spec.id, wait).await?.unwrap_or(*task),
        _ => *task,
    };
    let location = HeaderValue::from_str(&format!("/api/v1/tasks/{}", task.spec.id));
    let location = location.map_err(|error| ApiError::internal(&error))?;
    let mut response = (StatusCode::CREATED, Json(TaskView::from(&task))).into_response();
    response.headers_mut().insert(header::LOCATION, location);
    if let Some(applied) = wait.and_then(|wait| HeaderValue::from_str(&format!("wait={}", wait.as_secs())).ok()) {
        response.headers_mut().insert(HeaderName::from_static("preference-applied"), applied);
    }
    Ok(response)
}

/// Checks what the task needs and stores it. A file that came with it stays only if the task does.
async fn submit(
    state: &ApiState,
    tenant: &Arc<Tenant>,
    id: TaskId,
    order: Order,
    idempotency: IdempotencyKey,
) -> Result<Box<Task>, ApiError> {
    let Order { wish, config, file } = order;
    let callbacks = match needs(state, tenant, &wish, &config).await {
        Ok(callbacks) => callbacks,
        Err(refusal) => {
            if let Some(file) = file {
                file.object.discard().await;
            }
            return Err(refusal);
        }
    };
    let uploaded = match file {
        Some(file) => Some(register(state, tenant, file, None).await?),
        None => None,
    };
    let input = match &uploaded {
        Some(media) => input::of_media(&wish, media).map(Some),
        None => input::of_stored(state, tenant, &wish).await,
    };
    let input = match input {
        Ok(input) => {
            let slots = config.config.slots(wish.task_type);
            refuse_quarantined(state, tenant.id, slots, input.as_ref()).await.map(|()| input)
        }
        Err(refusal) => Err(refusal),
    };
    let outcome = match input {
        Ok(input) => {
            let promise = idempotency.promise(state, &wish.request(&config, input.as_ref(), uploaded.is_some()));
            let parts = NewTaskParts { id, task_type: wish.task_type, priority: wish.priority };
            store(state, new_task(state, tenant, parts, config, input), callbacks, promise).await
        }
        Err(refusal) => Err(refusal),
    };
    if let (Some(media), false) = (&uploaded, matches!(outcome, Ok((_, true)))) {
        delete_media(state, tenant, media.id).await?;
    }
    outcome.map(|(task, _)| task)
}

/// Checks that the task's models are there and that its end can be told; gives what is to be done then.
async fn needs(
    state: &ApiState,
    tenant: &Tenant,
    wish: &TaskWish,
    config: &CheckedConfig,
) -> Result<Vec<NewCallback>, ApiError> {
    require_models(state, tenant, wish.task_type, &config.config).await?;
    callbacks(state.settings(), &config.config, wish.callback_url.as_deref())
}

/// Stores a task and has it dispatched; true when it is new, false when the same key gave it before.
pub async fn store(
    state: &ApiState,
    task: NewTask,
    callbacks: Vec<NewCallback>,
    promise: Option<Idempotency>,
) -> Result<(Box<Task>, bool), ApiError> {
    match state.stores.tasks.submit_with_callbacks(task, callbacks, promise).await? {
        Submission::Created(task) => {
            task_submitted(task.spec.task_type);
            Ok((task, true))
        }
        Submission::Replayed(task) => Ok((task, false)),
        Submission::Conflict => Err(idempotency_conflict()),
    }
}

/// What a new task is, beside its configuration and input.
pub struct NewTaskParts {
    /// Its id.
    pub id: TaskId,
    /// What it does.
    pub task_type: TaskType,
    /// How urgent it is.
    pub priority: Priority,
}

/// A task of the tenant, submitted now.
pub fn new_task(
    state: &ApiState,
    tenant: &Tenant,
    parts: NewTaskParts,
    config: CheckedConfig,
    input: Option<TaskInput>,
) -> NewTask {
    let NewTaskParts { id, task_type, priority } = parts;
    let now = state.now();
    NewTask {
        id,
        tenant_id: tenant.id,
        tenant: tenant.name.clone(),
        task_type,
        queue: state.settings().routes.queue(task_type, config.config.use_gpu()),
        priority,
        config: config.json,
        config_hash: config.hash.to_string(),
        input,
        created_at: now,
        expires_at: state.settings().task_expires_after.map(|after| now.plus(after)),
        origin: origin(),
    }
}
