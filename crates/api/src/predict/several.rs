//! `POST /predict`.

use axum::Json;
use axum::extract::{Extension, State};
use futures::future::join_all;
use ortolan_domain::{ErrorCode, ModelId, PredictionId, Timestamp};
use ortolan_store::Tenant;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::inputs::{InputData, read_inputs};
use super::record::Exchange;
use super::{Asked, CacheUse, Deadline, Wanted, deadline};
use crate::auth::{Access, WriteAccess};
use crate::error::ApiError;
use crate::extract::{ClientIp, JsonBody};
use crate::middleware::RequestId;
use crate::openapi::refusals;
use crate::rates::Counted;
use crate::state::ApiState;

refusals!(SeveralRefusals: TooLarge, UnsupportedMedia, Invalid);

/// The most records of one request.
const MOST: usize = 10;

/// Questions for several models.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SeveralWish)]
pub struct SeveralWish {
    /// The questions.
    #[schema(min_items = 1, max_items = 10)]
    requests: Vec<OneWish>,
    /// Runs the models even if answers are known.
    #[serde(default)]
    skip_cache: bool,
    /// Gives up on a question after so many milliseconds, if that is earlier than the installation's own limit.
    #[serde(default)]
    #[schema(minimum = 1)]
    timeout_ms: Option<u64>,
}

/// A question for one model.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OneOfSeveralWish)]
struct OneWish {
    /// A version's id, a name in the registry or a slot.
    model: String,
    /// A version of that name; the latest ready one when left out.
    #[serde(default)]
    version: Option<String>,
    /// The inputs by name, as nested lists.
    #[schema(value_type = Object)]
    input_data: InputData,
}

/// Answers, in the order of the questions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SeveralAnswer)]
pub struct SeveralAnswer {
    /// When they were given.
    #[schema(value_type = String, format = DateTime)]
    generated_at: Timestamp,
    /// One for each question.
    predictions: Vec<OneAnswer>,
}

/// The answer to one question.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OneOfSeveralAnswer)]
struct OneAnswer {
    /// The model, as it was asked for.
    model: String,
    /// The record, for versions in the registry.
    #[schema(value_type = Option<String>, format = Uuid)]
    id: Option<PredictionId>,
    /// The version in the registry that answered.
    #[schema(value_type = Option<String>, format = Uuid)]
    model_id: Option<ModelId>,
    /// Its version.
    model_version: Option<String>,
    /// What a classifier says of the first row; `Timeout` or `Error` when there is no answer.
    label: Option<String>,
    /// How sure it is, 0 to 1.
    probability: Option<f64>,
    /// `model`, `cache` or `error`.
    source: &'static str,
    /// The outputs by name.
    #[schema(value_type = Option<Object>)]
    output_data: Option<Box<RawValue>>,
    /// How long the model took.
    inference_time_ms: Option<f64>,
    /// True when the answer was known already.
    cached: bool,
    /// Why there is no answer.
    error: Option<OneError>,
}

/// Why there is no answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OneOfSeveralError)]
struct OneError {
    /// A word that programs can rely on.
    code: &'static str,
    /// What happened.
    detail: String,
}

/// Asks several models at once
///
/// Each question is answered by itself: one that fails or takes too long does not hold up the others. Needs scope `write`.
#[utoipa::path(
    post, path = "/predict", tag = "predictions", request_body = SeveralWish,
    responses((status = 200, description = "An answer or an error for each question.", body = SeveralAnswer), SeveralRefusals),
)]
pub async fn predict_several(
    State(state): State<ApiState>,
    Access { tenant, caller, .. }: WriteAccess,
    Extension(RequestId(request_id)): Extension<RequestId>,
    ClientIp(client_ip): ClientIp,
    JsonBody(wish): JsonBody<SeveralWish>,
) -> Result<Json<SeveralAnswer>, ApiError> {
    state.admit(&caller, Counted::Prediction).await?;
    if !(1..=MOST).contains(&wish.requests.len()) {
        let reason = format!("must have 1 to {MOST} questions, has {}", wish.requests.len());
        return Err(ApiError::field("requests", reason));
    }
    if wish.timeout_ms == Some(0) {
        return Err(ApiError::field("timeout_ms", "must be at least 1, was 0"));
    }
    let cache = if wish.skip_cache { CacheUse::Refresh } else { CacheUse::Full };
    let around = Around { state: &state, tenant: &tenant, request_id, client_ip, cache };
    let limit = deadline(state.settings(), wish.timeout_ms.map(|ms| ms as f64));
    let predictions = join_all(wish.requests.into_iter().map(|one| around.answer(one, limit))).await;
    Ok(Json(SeveralAnswer { generated_at: state.now(), predictions }))
}

/// What all questions of a request share.
struct Around<'a> {
    state: &'a ApiState,
    tenant: &'a Tenant,
    request_id: String,
    client_ip: Option<String>,
    cache: CacheUse,
}

impl Around<'_> {
    async fn answer(&self, wish: OneWish, limit: Deadline) -> OneAnswer {
        let model = wish.model.clone();
        match self.try_answer(wish, limit).await {
            Ok(answer) => answer,
            Err(error) => OneAnswer::failed(model, &error),
        }
    }

    async fn try_answer(&self, wish: OneWish, limit: Deadline) -> Result<OneAnswer, ApiError> {
        let OneWish { model, version, input_data } = wish;
        let wanted = match model.parse() {
            Ok(id) => Wanted::Id(id),
            Err(_) => Wanted::Named(model.clone(), version),
        };
        let target = limit.meet(self.state.predictions.targets.find(self.state, self.tenant, wanted)).await?;
        let asked = Asked {
            tenant: self.tenant.id,
            target: &target,
            inputs: read_inputs(&target, &input_data)?,
            outputs: Vec::new(),
            cache: self.cache,
            deadline: limit,
            request_id: self.request_id.clone(),
        };
        let exchange = Exchange::new(&input_data, self.state.predict(asked).await?)?;
        exchange.log(&target);
        let record = target.version_id.map(|id| {
            let request_id = Some(self.request_id.clone());
            exchange.record(self.state, self.tenant, id, request_id, self.client_ip.clone())
        });
        let id = record.as_ref().map(|record| record.id);
        record.into_iter().for_each(|record| self.state.predictions.recorder.record(record));
        let (label, probability) = verdict(&exchange.output_data);
        Ok(OneAnswer {
            model,
            id,
            model_id: target.version_id,
            model_version: Some(target.version.clone()),
            label,
            probability,
            source: if exchange.cached { "cache" } else { "model" },
            inference_time_ms: Some(exchange.inference_time_ms),
            cached: exchange.cached,
            output_data: Some(exchange.output_data),
            error: None,
        })
    }
}

impl OneAnswer {
    fn failed(model: String, error: &ApiError) -> Self {
        let label = if error.code() == ErrorCode::DeadlineExceeded { "Timeout" } else { "Error" };
        Self {
            model,
            id: None,
            model_id: None,
            model_version: None,
            label: Some(label.to_owned()),
            probability: None,
            source: "error",
            output_data: None,
            inference_time_ms: None,
            cached: false,
            error: Some(OneError { code: error.code().as_str(), detail: error.detail().to_owned() }),
        }
    }
}

/// What the usual outputs of a classifier say of the first row: its label and how probable it is.
fn verdict(outputs: &RawValue) -> (Option<String>, Option<f64>) {
    #[derive(Deserialize)]
    struct Classifier {
        #[serde(alias = "output_label")]
        label: Option<serde_json::Value>,
        #[serde(alias = "output_probability")]
        probabilities: Option<serde_json::Value>,
    }
    const LEAST: f64 = 1e-6;
    let Ok(Classifier { label, probabilities }) = serde_json::from_str(outputs.get()) else { return (None, None) };
    let label = label.as_ref().and_then(|labels| match labels.get(0)? {
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    });
    let row = probabilities.as_ref().and_then(|rows| rows.get(0));
    let scores: Vec<f64> = match row {
        Some(serde_json::Value::Array(scores)) => scores.iter().filter_map(serde_json::Value::as_f64).collect(),
        Some(serde_json::Value::Object(scores)) => scores.values().filter_map(serde_json::Value::as_f64).collect(),
        _ => Vec::new(),
    };
    let best = scores.into_iter().reduce(f64::max).map(|best| best.clamp(0.0, 1.0));
    (label, best.map(|best| if best < LEAST { 0.0 } else { best }))
}
