//! What a model gave, as outputs of the protocol.

use bytes::Bytes;
use ortolan_domain::tensor::{Datatype, encode_strings};
use ortolan_ml_client::{InferAnswer, OutputValue, TensorKind, TensorSpec};
use ortolan_oip::{InferRequest, NamedOutput};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// An input or output of a model.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OipTensor)]
pub struct TensorView {
    /// Its name.
    pub name: String,
    /// Its datatype.
    pub datatype: String,
    /// Its shape; -1 for a free axis.
    pub shape: Vec<i64>,
}

/// Maps and sequences, which the protocol does not know, are lists of JSON texts.
pub fn tensor_view(spec: &TensorSpec) -> TensorView {
    let name = spec.name.clone();
    match spec.kind {
        TensorKind::Tensor | TensorKind::Optional => {
            TensorView { name, datatype: spec.datatype.clone(), shape: spec.shape.clone() }
        }
        TensorKind::Map | TensorKind::Sequence => {
            TensorView { name, datatype: Datatype::Bytes.name().to_owned(), shape: vec![-1] }
        }
    }
}

/// The outputs in the form that the request wants them in.
pub fn named_outputs(answer: &InferAnswer, request: &InferRequest) -> Vec<NamedOutput> {
    let named = |output: &ortolan_ml_client::Output| {
        let binary = request.wants_binary(&output.name);
        let (datatype, shape, data) = match &output.value {
            OutputValue::Tensor { datatype, shape, data } => (*datatype, shape.clone(), data.clone()),
            OutputValue::Json(value) => json_texts(value),
        };
        NamedOutput { name: output.name.clone(), datatype, shape, data, binary }
    };
    answer.outputs.iter().map(named).collect()
}

fn json_texts(value: &Value) -> (Datatype, Vec<i64>, Bytes) {
    let texts: Vec<String> = match value {
        Value::Array(items) => items.iter().map(Value::to_string).collect(),
        other => vec![other.to_string()],
    };
    (Datatype::Bytes, vec![texts.len() as i64], encode_strings(texts).into())
}
