//! The record of one synchronous inference.

use crate::id::{ModelId, PredictionId, TenantId};
use crate::time::Timestamp;

/// The record of one synchronous inference.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Its id.
    pub id: PredictionId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// The version that answered.
    pub model_id: ModelId,
    /// The client's own name for the request.
    pub request_id: Option<String>,
    /// The address that the request came from.
    pub client_ip: Option<String>,
    /// True when the answer came out of the cache.
    pub cached: bool,
    /// How long the model took, when it was run for this answer.
    pub inference_time_ms: f64,
    /// The inputs as JSON; missing when they were too large to be kept.
    pub input_data: Option<String>,
    /// The outputs as JSON; missing when they were too large to be kept.
    pub output_data: Option<String>,
    /// When it was answered.
    pub created_at: Timestamp,
}
