//! A record as clients see it.

use ortolan_domain::prediction::Prediction;
use ortolan_domain::{ModelId, PredictionId, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// The record of a prediction.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Prediction)]
pub struct PredictionView {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    id: PredictionId,
    /// The version that answered.
    #[schema(value_type = String, format = Uuid)]
    model_id: ModelId,
    /// The client's own name for the request.
    request_id: Option<String>,
    /// The address that the request came from.
    client_ip: Option<String>,
    /// True when the answer came out of the cache.
    cached: bool,
    /// How long the model took.
    inference_time_ms: f64,
    /// The inputs; `null` when they were too large to be kept.
    #[schema(value_type = Option<Object>)]
    input_data: Option<Box<RawValue>>,
    /// The outputs; `null` when they were too large to be kept.
    #[schema(value_type = Option<Object>)]
    output_data: Option<Box<RawValue>>,
    /// When it was answered.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<Prediction> for PredictionView {
    fn from(prediction: Prediction) -> Self {
        let raw = |json: Option<String>| json.and_then(|json| RawValue::from_string(json).ok());
        Self {
            id: prediction.id,
            model_id: prediction.model_id,
            request_id: prediction.request_id,
            client_ip: prediction.client_ip,
            cached: prediction.cached,
            inference_time_ms: prediction.inference_time_ms,
            input_data: raw(prediction.input_data),
            output_data: raw(prediction.output_data),
            created_at: prediction.created_at,
        }
    }
}
