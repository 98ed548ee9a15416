//! What a model gave, as one plain JSON object.

use ortolan_ml_client::{InferAnswer, Output, OutputValue};

use crate::error::OipError;
use crate::render::{Unwritable, Values, nested};

/// The outputs as one JSON object: tensors as nested lists, values that JSON has no word for as texts.
pub fn outputs_json(answer: &InferAnswer) -> Result<String, OipError> {
    let mut json = vec![b'{'];
    for (index, Output { name, value }) in answer.outputs.iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        put(name, &mut json)?;
        json.push(b':');
        match value {
            OutputValue::Json(value) => put(value, &mut json)?,
            OutputValue::Tensor { datatype, shape, data } => {
                nested(Values { datatype: *datatype, shape, data }, Unwritable::Replace, &mut json)?;
            }
        }
    }
    json.push(b'}');
    String::from_utf8(json).map_err(|_| OipError::NeedsBinary("the outputs are no text".to_owned()))
}

fn put<T: serde::Serialize + ?Sized>(value: &T, json: &mut Vec<u8>) -> Result<(), OipError> {
    serde_json::to_writer(json, value)
        .map_err(|_| OipError::NeedsBinary("an output cannot be written as JSON".to_owned()))
}
