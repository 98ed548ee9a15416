//! `POST /jobs`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use ortolan_domain::config::{InferenceConfig, TaskConfig, Written};
use ortolan_domain::model::{Model, ModelStatus};
use ortolan_domain::{ErrorCode, ModelId, Priority, Task, TaskId, TaskType};
use ortolan_store::Tenant;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::quarantine::refuse_quarantined_inputs;
use super::view::JobView;
use crate::auth::{Access, WriteAccess};
use crate::error::ApiError;
use crate::extract::{IdempotencyKey, JsonBody};
use crate::openapi::{refusals, words};
use crate::state::ApiState;
use crate::tasks::submit::{NewTaskParts, new_task, store};
use crate::tasks::wishes::callbacks;

refusals!(CreateRefusals: NotFound, TooLarge, UnsupportedMedia, Invalid, IdempotencyConflict, Quarantined, QuotaExceeded);

/// The longest inputs that are stored with a job, in bytes.
const MOST_INPUT_BYTES: usize = 4 << 20;

/// A prediction that nobody waits for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewJob)]
pub struct JobWish {
    /// The version to ask.
    #[schema(value_type = String, format = Uuid)]
    model_id: ModelId,
    /// The inputs by name, as nested lists.
    #[schema(value_type = Object)]
    input_data: Box<RawValue>,
    /// How urgent it is; `normal` when left out.
    #[schema(value_type = Option<words::Priority>)]
    #[serde(default)]
    priority: Priority,
    /// `https://` or `http://` address that a signed webhook is sent to when the job has ended.
    #[schema(max_length = 2000)]
    callback_url: Option<String>,
}

/// Creates a job
///
/// The answer is 201 as soon as the job is stored, also while it cannot be run. Needs scope `write`.
#[utoipa::path(
    post, path = "/jobs", tag = "jobs",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and request give the same job; another request is refused.")),
    request_body = JobWish,
    responses(
        (status = 201, description = "Stored.", body = JobView, headers(("Location" = String, description = "Where it is."))),
        CreateRefusals,
    ),
)]
pub async fn create_job(
    State(state): State<ApiState>,
    Access { tenant, .. }: WriteAccess,
    idempotency: IdempotencyKey,
    JsonBody(wish): JsonBody<JobWish>,
) -> Result<Response, ApiError> {
    let job = submit(&state, &tenant, wish, idempotency).await?;
    respond(StatusCode::CREATED, job)
}

/// Turns a prediction into a job: 202 and where it is.
pub async fn accept(
    state: &ApiState,
    tenant: &Tenant,
    model_id: ModelId,
    input_data: Box<RawValue>,
    idempotency: IdempotencyKey,
) -> Result<Response, ApiError> {
    let wish = JobWish { model_id, input_data, priority: Priority::default(), callback_url: None };
    respond(StatusCode::ACCEPTED, submit(state, tenant, wish, idempotency).await?)
}

fn respond(status: StatusCode, job: Task) -> Result<Response, ApiError> {
    let location = HeaderValue::from_str(&format!("/api/v1/jobs/{}", job.spec.id));
    let location = location.map_err(|error| ApiError::internal(&error))?;
    let mut response = (status, Json(JobView::of(job)?)).into_response();
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

async fn submit(
    state: &ApiState,
    tenant: &Tenant,
    wish: JobWish,
    idempotency: IdempotencyKey,
) -> Result<Task, ApiError> {
    state.quota.admit(tenant.id, state.now()).await?;
    let JobWish { model_id, input_data, priority, callback_url } = wish;
    crate::extract::require_object("input_data", input_data.get().as_bytes())?;
    if input_data.get().len() > MOST_INPUT_BYTES {
        let detail = format!("input_data may have at most {MOST_INPUT_BYTES} bytes in a job");
        return Err(ApiError::new(ErrorCode::TooLarge, detail));
    }
    let model = require_ready(state, tenant, model_id).await?;
    refuse_quarantined_inputs(state, tenant, &model, &input_data).await?;
    let config = TaskConfig::Inference(InferenceConfig { model_id, input_data: Written(input_data) });
    let config = config.checked(TaskType::Inference, state.settings().confidence)?;
    let callbacks = callbacks(state.settings(), &config.config, callback_url.as_deref())?;
    let mut request = vec!["POST /jobs", priority.as_str(), &config.hash];
    request.extend(callback_url.as_deref());
    let promise = idempotency.promise(state, &request);
    let parts = NewTaskParts { id: TaskId::generate(), task_type: TaskType::Inference, priority };
    let task = new_task(state, tenant, parts, config, None);
    let (task, _) = store(state, task, callbacks, promise).await?;
    Ok(*task)
}

async fn require_ready(state: &ApiState, tenant: &Tenant, id: ModelId) -> Result<Model, ApiError> {
    let model = state.stores.models.model(tenant.id, id).await?.ok_or_else(|| ApiError::not_found("model"))?;
    match model.effective_status(state.now()) {
        ModelStatus::Ready => Ok(model),
        status => {
            let detail = format!("the model is not ready: its status is '{status}'");
            Err(ApiError::new(ErrorCode::MalformedRequest, detail))
        }
    }
}
