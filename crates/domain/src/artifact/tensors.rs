//! What a model said to named tensors.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Payload;
use crate::error::FieldError;

/// A model's outputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictionV1 {
    /// The outputs by name: tensors as nested lists, maps as objects, sequences as lists.
    pub output_data: Map<String, Value>,
}

impl Payload for PredictionV1 {
    fn validate(&self) -> Result<(), FieldError> {
        Ok(())
    }
}
