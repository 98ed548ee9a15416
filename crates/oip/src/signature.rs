//! Do these inputs fit this model? Plain JSON values become tensors of the types that the model wants.

use bytes::Bytes;
use ortolan_domain::error::FieldError;
use ortolan_domain::tensor::{Datatype, Tensor};
use ortolan_ml_client::{ModelSignature, TensorKind, TensorSpec};
use serde_json::value::RawValue;

use crate::data::{NonFiniteWords, Parsed, parse};
use crate::error::shorten;

/// Why inputs do not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnfitInputs {
    /// Inputs that the model needs are not there.
    #[error("missing inputs: {}; expected: {}", missing.join(", "), expected.join(", "))]
    Missing {
        /// The names that are missing.
        missing: Vec<String>,
        /// All names that the model needs.
        expected: Vec<String>,
    },
    /// An input has another type or shape.
    #[error(transparent)]
    Input(FieldError),
    /// Something was named that the model does not have.
    #[error("the model has no {what} '{name}'; it has: {}", known.join(", "))]
    Unknown {
        /// `input` or `output`.
        what: &'static str,
        /// The name.
        name: String,
        /// The names that it has.
        known: Vec<String>,
    },
}

/// Makes tensors of plain JSON values by the types that the model wants. Values that the model does not know are left out.
pub fn from_json<'v>(
    signature: &ModelSignature,
    value: impl Fn(&str) -> Option<&'v RawValue>,
) -> Result<Vec<Tensor>, UnfitInputs> {
    let has = |name: &str| value(name).is_some();
    require_all(signature, has)?;
    let given = signature.inputs.iter().filter_map(|spec| value(&spec.name).map(|json| (spec, json)));
    given.map(|(spec, json)| tensor_of(spec, json.get())).collect()
}

fn tensor_of(spec: &TensorSpec, json: &str) -> Result<Tensor, UnfitInputs> {
    let unfit = |reason: String| UnfitInputs::Input(FieldError::new(format!("input_data.{}", spec.name), reason));
    let datatype = datatype_of(spec).map_err(unfit)?;
    let parsed = parse(json, datatype, NonFiniteWords::Taken).map_err(unfit)?;
    let (shape, data) = filled_up(spec, parsed);
    if !fits(&spec.shape, &shape) {
        return Err(unfit(wrong_shape(&spec.shape, &shape)));
    }
    Ok(Tensor { name: spec.name.clone(), datatype, shape, data })
}

/// Nested lists do not tell the axes behind one of length 0: the model does.
fn filled_up(spec: &TensorSpec, parsed: Parsed) -> (Vec<i64>, Bytes) {
    let Parsed { mut shape, data, count } = parsed;
    if count == 0 && shape.len() < spec.shape.len() {
        shape.extend(spec.shape[shape.len()..].iter().map(|axis| (*axis).max(0)));
    }
    (shape, data)
}

/// Checks tensors that came with types and shapes of their own; one that the model does not know is refused.
pub fn check_tensors(signature: &ModelSignature, tensors: &[Tensor]) -> Result<(), UnfitInputs> {
    for tensor in tensors {
        let spec = signature.inputs.iter().find(|spec| spec.name == tensor.name);
        check_tensor(spec.ok_or_else(|| unknown("input", &tensor.name, &signature.inputs))?, tensor)?;
    }
    require_all(signature, |name| tensors.iter().any(|tensor| tensor.name == name))
}

fn check_tensor(spec: &TensorSpec, tensor: &Tensor) -> Result<(), UnfitInputs> {
    let unfit = |reason: String| UnfitInputs::Input(FieldError::new(&spec.name, reason));
    let datatype = datatype_of(spec).map_err(unfit)?;
    if takes_pictures(spec) && tensor.datatype == Datatype::Bytes {
        return Ok(());
    }
    if tensor.datatype != datatype {
        return Err(unfit(format!("must have the datatype {datatype}, has {}", tensor.datatype)));
    }
    if !fits(&spec.shape, &tensor.shape) {
        return Err(unfit(wrong_shape(&spec.shape, &tensor.shape)));
    }
    Ok(())
}

/// Checks the outputs that are wanted.
pub fn check_outputs<'n>(
    signature: &ModelSignature,
    mut names: impl Iterator<Item = &'n str>,
) -> Result<(), UnfitInputs> {
    let missing = names.find(|name| !signature.outputs.iter().any(|spec| spec.name == *name));
    missing.map_or(Ok(()), |name| Err(unknown("output", name, &signature.outputs)))
}

fn unknown(what: &'static str, name: &str, specs: &[TensorSpec]) -> UnfitInputs {
    UnfitInputs::Unknown { what, name: shorten(name), known: names(specs) }
}

fn require_all(signature: &ModelSignature, has: impl Fn(&str) -> bool) -> Result<(), UnfitInputs> {
    let needed = || signature.inputs.iter().filter(|spec| spec.kind != TensorKind::Optional);
    let missing: Vec<_> = needed().map(|spec| spec.name.clone()).filter(|name| !has(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(UnfitInputs::Missing { missing, expected: needed().map(|spec| spec.name.clone()).collect() })
}

fn names(specs: &[TensorSpec]) -> Vec<String> {
    specs.iter().map(|spec| spec.name.clone()).collect()
}

fn datatype_of(spec: &TensorSpec) -> Result<Datatype, String> {
    let datatype = Datatype::parse(&spec.datatype).filter(|_| spec.kind == TensorKind::Tensor);
    datatype.ok_or_else(|| "the model wants something other than a tensor here, which cannot be sent".to_owned())
}

/// True for an input that a JPEG or PNG file can be given to.
fn takes_pictures(spec: &TensorSpec) -> bool {
    spec.shape.len() == 4 && matches!(spec.datatype.as_str(), "FP32" | "FP16")
}

/// A model that says nothing of the shape takes any, as far as can be told from here.
fn fits(wanted: &[i64], given: &[i64]) -> bool {
    let axis_fits = |(wanted, given): (&i64, &i64)| *wanted < 0 || wanted == given;
    wanted.is_empty() || wanted.len() == given.len() && wanted.iter().zip(given).all(axis_fits)
}

fn wrong_shape(wanted: &[i64], given: &[i64]) -> String {
    let axis = |axis: &i64| if *axis < 0 { "any".to_owned() } else { axis.to_string() };
    let wanted: Vec<_> = wanted.iter().map(axis).collect();
    format!("must have the shape [{}], has {given:?}", wanted.join(", "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;

    fn spec(name: &str, datatype: &str, shape: &[i64]) -> TensorSpec {
        let (name, datatype) = (name.to_owned(), datatype.to_owned());
        TensorSpec { name, datatype, shape: shape.to_vec(), kind: TensorKind::Tensor }
    }

    fn signature() -> ModelSignature {
        ModelSignature {
            inputs: vec![spec("x", "FP32", &[-1, 4]), spec("s", "BYTES", &[-1])],
            outputs: vec![spec("y", "FP32", &[-1, 4])],
            sha256: String::new(),
        }
    }

    fn read(json: &str) -> Result<Vec<Tensor>, UnfitInputs> {
        let values: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json).unwrap();
        from_json(&signature(), |name| values.get(name).map(AsRef::as_ref))
    }

    #[test]
    fn values_become_what_the_model_wants_and_the_rest_is_left_out() {
        let tensors = read(r#"{"x": [[1,2,3,4]], "s": ["a"], "more": {"a": 1}}"#).unwrap();
        assert_eq!((tensors[0].datatype, tensors[0].shape.as_slice()), (Datatype::Fp32, &[1, 4][..]));
        assert_eq!(tensors[1].datatype, Datatype::Bytes);
        assert_eq!(read(r#"{"x": [], "s": []}"#).unwrap()[0].shape, [0, 4]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let missing = read(r#"{"y": 1}"#).unwrap_err().to_string();
        assert_eq!(missing, "missing inputs: x, s; expected: x, s");
        for (bad, reason) in [
            (r#"{"x": [1,2,3,4], "s": []}"#, "must have the shape [any, 4], has [4]"),
            (r#"{"x": [[1,2,3]], "s": []}"#, "must have the shape [any, 4], has [1, 3]"),
            (r#"{"x": [["a"]], "s": []}"#, "does not fit FP32"),
            (r#"{"x": null, "s": []}"#, "does not fit FP32"),
        ] {
            let UnfitInputs::Input(error) = read(bad).unwrap_err() else { panic!("{bad}") };
            assert_eq!(error.field, "input_data.x");
            assert!(error.reason.contains(reason), "{error}");
        }
    }

    #[test]
    fn tensors_with_types_of_their_own_are_checked() {
        let tensor = |name: &str, datatype, shape: &[i64]| Tensor {
            name: name.to_owned(),
            datatype,
            shape: shape.to_vec(),
            data: Bytes::new(),
        };
        let s = || tensor("s", Datatype::Bytes, &[0]);
        let check = |tensors: &[Tensor]| check_tensors(&signature(), tensors).map_err(|error| error.to_string());
        assert_eq!(check(&[tensor("x", Datatype::Fp32, &[0, 4]), s()]), Ok(()));
        assert!(check(&[tensor("x", Datatype::Fp64, &[0, 4]), s()]).unwrap_err().contains("FP32"));
        assert!(check(&[tensor("z", Datatype::Fp32, &[0, 4]), s()]).unwrap_err().contains("no input 'z'"));
        assert!(check(&[s()]).unwrap_err().contains("missing inputs: x"));
        assert!(check_outputs(&signature(), ["y"].into_iter()).is_ok());
        assert!(check_outputs(&signature(), ["y", "\n"].into_iter()).unwrap_err().to_string().contains("'\\n'"));
    }
}
