//! `POST /models/{id}/predict`.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use ortolan_domain::{ModelId, PredictionId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;

use super::inputs::{InputData, read_inputs};
use super::record::Exchange;
use super::{Asked, CacheUse, Wanted, deadline};
use crate::auth::{Access, WriteAccess};
use crate::error::ApiError;
use crate::extract::{ClientIp, IdPath, IdempotencyKey, JsonBody, PreferAsync};
use crate::jobs::{JobView, accept};
use crate::middleware::RequestId;
use crate::openapi::refusals;
use crate::rates::Counted;
use crate::state::ApiState;

refusals!(
    PredictRefusals: ModelNotFound, NotFound, TooLarge, UnsupportedMedia, Invalid, IdempotencyConflict, QuotaExceeded, Quarantined, RunFailed, OutOfMemory,
    Crashed, DeadlineExceeded
);

/// Where an answer came from.
pub(super) const X_CACHE: &str = "x-cache";

/// Values for a model's inputs.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PredictWish)]
pub struct PredictWish {
    /// The inputs by name, as nested lists; those that the model does not know are ignored.
    #[schema(value_type = Object)]
    pub(super) input_data: InputData,
    /// The client's own name for the request; kept with the record.
    #[serde(default)]
    #[schema(max_length = 255)]
    pub(super) request_id: Option<String>,
    /// Runs the model even if the answer is known; it is kept all the same.
    #[serde(default)]
    pub(super) skip_cache: bool,
    /// Gives up after so many milliseconds, if that is earlier than the installation's own limit.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub(super) timeout_ms: Option<u64>,
}

/// What a model answered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PredictAnswer)]
pub struct PredictAnswer {
    /// The record's id.
    #[schema(value_type = String, format = Uuid)]
    id: PredictionId,
    /// The version that answered.
    #[schema(value_type = String, format = Uuid)]
    model_id: ModelId,
    /// The client's own name for the request.
    request_id: Option<String>,
    /// The inputs as they were sent.
    #[schema(value_type = Object)]
    input_data: InputData,
    /// The outputs by name: tensors as nested lists, maps as objects; `"NaN"`, `"Infinity"` and `"-Infinity"` for what JSON has no number for.
    #[schema(value_type = Object)]
    output_data: Box<RawValue>,
    /// How long the model took, when it was run for this answer.
    inference_time_ms: f64,
    /// True when the answer was known already.
    cached: bool,
    /// When it was answered.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// What a request says beside its body.
pub struct Surroundings {
    request_id: String,
    client_ip: Option<String>,
    prefers_job: bool,
    idempotency: IdempotencyKey,
}

impl FromRequestParts<ApiState> for Surroundings {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let request_id = parts.extensions.get().map(|RequestId(id)| id.clone()).unwrap_or_default();
        let Ok(ClientIp(client_ip)) = ClientIp::from_request_parts(parts, state).await;
        let Ok(PreferAsync(prefers_job)) = PreferAsync::from_request_parts(parts, state).await;
        let idempotency = IdempotencyKey::from_request_parts(parts, state).await?;
        Ok(Self { request_id, client_ip, prefers_job, idempotency })
    }
}

impl PredictWish {
    pub(super) fn check(&self) -> Result<(), ApiError> {
        const MOST: usize = 255;
        if self.timeout_ms == Some(0) {
            return Err(ApiError::field("timeout_ms", "must be at least 1, was 0"));
        }
        if self.request_id.as_ref().is_some_and(|id| id.chars().count() > MOST) {
            return Err(ApiError::field("request_id", format!("may have at most {MOST} characters")));
        }
        Ok(())
    }

    pub(super) fn cache_use(&self) -> CacheUse {
        if self.skip_cache { CacheUse::Refresh } else { CacheUse::Full }
    }
}

/// Asks a model
///
/// `X-Cache` says whether the answer was known (`HIT`) or the model was run (`MISS`). With `Prefer: respond-async` the answer is a job
/// instead. Needs scope `write`.
#[utoipa::path(
    post, path = "/models/{model_id}/predict", tag = "predictions",
    params(
        ("model_id" = String, Path, format = Uuid),
        ("Prefer" = Option<String>, Header, description = "`respond-async`: answers with a job."),
        ("Idempotency-Key" = Option<String>, Header, description = "For a job: the same key and request give the same one."),
    ),
    request_body = PredictWish,
    responses(
        (status = 201, description = "The model's answer.", body = PredictAnswer, headers(("X-Cache" = String, description = "`HIT` or `MISS`."))),
        (status = 202, description = "A job, because it was preferred.", body = JobView, headers(("Location" = String, description = "Where it is."))),
        PredictRefusals,
    ),
)]
pub async fn predict_one(
    State(state): State<ApiState>,
    Access { tenant, caller, .. }: WriteAccess,
    surroundings: Surroundings,
    IdPath(id): IdPath<ModelId>,
    JsonBody(wish): JsonBody<PredictWish>,
) -> Result<Response, ApiError> {
    state.admit(&caller, Counted::Prediction).await?;
    wish.check()?;
    let Surroundings { request_id, client_ip, prefers_job, idempotency } = surroundings;
    if prefers_job || state.settings().background_inference {
        let input_data = to_raw_value(&wish.input_data).map_err(|error| ApiError::internal(&error))?;
        return accept(&state, &tenant, id, input_data, idempotency).await;
    }
    let limit = deadline(state.settings(), wish.timeout_ms.map(|ms| ms as f64));
    let target = limit.meet(state.predictions.targets.find(&state, &tenant, Wanted::Id(id))).await?;
    let inputs = read_inputs(&target, &wish.input_data)?;
    let asked = Asked {
        tenant: tenant.id,
        target: &target,
        inputs,
        outputs: Vec::new(),
        cache: wish.cache_use(),
        deadline: limit,
        request_id,
    };
    let answered = state.predict(asked).await?;
    let exchange = Exchange::new(&wish.input_data, answered)?;
    exchange.log(&target);
    let PredictWish { input_data, request_id, .. } = wish;
    let record = exchange.record(&state, &tenant, id, request_id.clone(), client_ip);
    let (cached, inference_time_ms) = (exchange.cached, exchange.inference_time_ms);
    let body = PredictAnswer {
        id: record.id,
        model_id: id,
        request_id,
        input_data,
        output_data: exchange.output_data,
        inference_time_ms,
        cached,
        created_at: record.created_at,
    };
    state.predictions.recorder.record(record);
    let mut response = (StatusCode::CREATED, Json(body)).into_response();
    response.headers_mut().insert(X_CACHE, HeaderValue::from_static(if cached { "HIT" } else { "MISS" }));
    Ok(response)
}
