//! Plain JSON values as a model's inputs.

use std::collections::BTreeMap;

use ortolan_domain::tensor::Tensor;
use ortolan_oip::signature::{UnfitInputs, from_json};
use serde_json::value::RawValue;

use super::Target;
use crate::error::ApiError;

/// Values by the names of inputs, as they were written.
pub type InputData = BTreeMap<String, Box<RawValue>>;

/// The tensors that a model wants, made of plain values.
pub fn read_inputs(target: &Target, values: &InputData) -> Result<Vec<Tensor>, ApiError> {
    from_json(&target.signature, |name| values.get(name).map(AsRef::as_ref)).map_err(ApiError::from)
}

impl From<UnfitInputs> for ApiError {
    fn from(unfit: UnfitInputs) -> Self {
        match unfit {
            UnfitInputs::Input(field) => Self::parameter(field.field, field.reason),
            UnfitInputs::Missing { .. } => Self::parameter("input_data", unfit.to_string()),
            UnfitInputs::Unknown { what: "output", .. } => Self::parameter("outputs", unfit.to_string()),
            UnfitInputs::Unknown { .. } => Self::parameter("inputs", unfit.to_string()),
        }
    }
}
