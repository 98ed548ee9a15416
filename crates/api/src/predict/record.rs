//! What is written down of a prediction.

use ortolan_domain::prediction::Prediction;
use ortolan_domain::{ErrorCode, ModelId, PredictionId};
use ortolan_oip::outputs_json;
use ortolan_store::Tenant;
use serde_json::value::RawValue;

use super::Answered;
use super::inputs::InputData;
use super::target::Target;
use crate::error::ApiError;
use crate::state::ApiState;

/// Inputs or outputs that are longer are not kept with the record.
const MOST_KEPT_BYTES: usize = 256 * 1024;

/// A question and its answer as JSON.
pub struct Exchange {
    input_data: Option<String>,
    /// The outputs.
    pub output_data: Box<RawValue>,
    /// How long the model took.
    pub inference_time_ms: f64,
    /// True when the answer was known already.
    pub cached: bool,
}

impl Exchange {
    /// Writes the answer as JSON.
    pub fn new(inputs: &InputData, answered: Answered) -> Result<Self, ApiError> {
        let output_data = outputs_json(&answered.answer).and_then(|json| {
            let invalid = |_| ortolan_oip::OipError::NeedsBinary("the outputs cannot be written as JSON".to_owned());
            RawValue::from_string(json).map_err(invalid)
        });
        let output_data = output_data.map_err(|error| ApiError::new(ErrorCode::RunFailed, error.to_string()))?;
        let size: usize = inputs.iter().map(|(name, json)| name.len() + json.get().len()).sum();
        let input_data = (size <= MOST_KEPT_BYTES).then(|| serde_json::to_string(inputs).ok()).flatten();
        let inference_time_ms = answered.answer.timings.inference_ms;
        Ok(Self { input_data, output_data, inference_time_ms, cached: answered.cached })
    }

    /// Says in the log how long it took.
    pub fn log(&self, target: &Target) {
        let Self { cached, inference_time_ms, .. } = *self;
        tracing::info!(
            model = target.name,
            version = target.version,
            cached,
            inference_time_ms,
            "prediction completed"
        );
    }

    /// The record.
    pub fn record(
        &self,
        state: &ApiState,
        tenant: &Tenant,
        model_id: ModelId,
        request_id: Option<String>,
        client_ip: Option<String>,
    ) -> Prediction {
        let output_data = self.output_data.get();
        Prediction {
            id: PredictionId::generate(),
            tenant_id: tenant.id,
            model_id,
            request_id,
            client_ip,
            cached: self.cached,
            inference_time_ms: self.inference_time_ms,
            input_data: self.input_data.clone(),
            output_data: (output_data.len() <= MOST_KEPT_BYTES).then(|| output_data.to_owned()),
            created_at: state.now(),
        }
    }
}
