//! Between tensors with names and parts by position: what goes in is checked against the model's signature, so that an
//! error names the input, what was expected and what came; what comes out is doubted.

use bytes::Bytes;
use ortolan_domain::tensor::{Datatype, Output, OutputValue, Tensor, check, element_count};
use ortolan_engine::{Dimension, Signature, TensorSpec, ValueKind};

use crate::answer::{InferAnswer, Timings};
use crate::error::RunnerError;
use crate::supervisor::host::malformed;
use crate::wire::message::{OwnedPart, PartKind};

/// Inputs in the signature's order, with as many elements as their shapes say.
pub(super) fn in_order(signature: &Signature, mut given: Vec<Tensor>) -> Result<Vec<Tensor>, RunnerError> {
    let mut inputs = Vec::with_capacity(given.len());
    for spec in &signature.inputs {
        let found = given.iter().position(|tensor| tensor.name == spec.name);
        let found = found.ok_or_else(|| missing(spec, signature))?;
        let tensor = given.swap_remove(found);
        tensor
            .check()
            .map_err(|error| RunnerError::BadInput(format!("the input {:?}: {}", error.field, error.reason)))?;
        fits(spec, &tensor)?;
        inputs.push(tensor);
    }
    match given.first() {
        None => Ok(inputs),
        Some(more) if signature.inputs.iter().any(|spec| spec.name == more.name) => {
            Err(bad_input(&more.name, "is there twice"))
        }
        Some(more) => {
            Err(bad_input(&more.name, &format!("is not one of the model's, which takes {}", told(&signature.inputs))))
        }
    }
}

/// Positions of the outputs that are wanted; empty for all.
pub(super) fn positions(signature: &Signature, wanted: &[String]) -> Result<Vec<usize>, RunnerError> {
    let position = |(at, name): (usize, &String)| {
        if wanted[..at].contains(name) {
            return Err(RunnerError::BadInput(format!("the output {name:?} was asked for twice")));
        }
        let found = signature.outputs.iter().position(|spec| spec.name == *name);
        let unknown =
            || format!("the output {name:?} is not one of the model's, which gives {}", told(&signature.outputs));
        found.ok_or_else(|| RunnerError::BadInput(unknown()))
    };
    wanted.iter().enumerate().map(position).collect()
}

/// Outputs with their names, and where the time went. `positions` are those that were asked for; empty for all.
pub(super) fn named(
    signature: &Signature,
    positions: &[usize],
    mut parts: Vec<OwnedPart>,
) -> Result<InferAnswer, RunnerError> {
    let times = parts.pop().filter(|part| part.kind == PartKind::Times).ok_or_else(malformed)?;
    let timings = Timings::from_bytes(&times.bytes).ok_or_else(malformed)?;
    let all: Vec<_>;
    let positions = if positions.is_empty() {
        all = (0..signature.outputs.len()).collect();
        &all
    } else {
        positions
    };
    if parts.len() != positions.len() {
        return Err(malformed());
    }
    let outputs = positions.iter().zip(parts).map(|(position, part)| {
        let spec = signature.outputs.get(*position).ok_or_else(malformed)?;
        Ok(Output { name: spec.name.clone(), value: value(part)? })
    });
    Ok(InferAnswer { outputs: outputs.collect::<Result<_, RunnerError>>()?, timings })
}

fn value(part: OwnedPart) -> Result<OutputValue, RunnerError> {
    let OwnedPart { kind, dims: shape, bytes } = part;
    match kind {
        PartKind::Tensor(datatype) => {
            // Of other types the size was checked when the part was read.
            if datatype == Datatype::Bytes {
                check(datatype, &shape, &bytes).map_err(|_| malformed())?;
            }
            Ok(OutputValue::Tensor { datatype, shape, data: Bytes::from(bytes) })
        }
        PartKind::Json => serde_json::from_slice(&bytes).map(OutputValue::Json).map_err(|_| malformed()),
        PartKind::Media | PartKind::Words | PartKind::Times => Err(malformed()),
    }
}

/// Checks type and shape. One encoded picture may stand for the planes of an input with four axes.
fn fits(spec: &TensorSpec, tensor: &Tensor) -> Result<(), RunnerError> {
    let Some(wanted) = spec.element else {
        let kind = if spec.kind == ValueKind::Tensor { "a tensor of a type" } else { "a value" };
        return Err(bad_input(&spec.name, &format!("is {kind} that cannot be given")));
    };
    if tensor.datatype == Datatype::Bytes && takes_pictures(spec) {
        return match element_count(&tensor.shape) {
            Some(1) => Ok(()),
            _ => Err(bad_input(&spec.name, &format!("takes one picture, not shape {:?} of them", tensor.shape))),
        };
    }
    if wanted != tensor.datatype {
        return Err(bad_input(&spec.name, &format!("is {wanted}, not {}", tensor.datatype)));
    }
    let fits = |(size, axis): (&i64, &Dimension)| axis.fixed().is_none_or(|fixed| u64::try_from(*size) == Ok(fixed));
    if spec.dims.len() != tensor.shape.len() || !tensor.shape.iter().zip(&spec.dims).all(fits) {
        return Err(bad_input(&spec.name, &format!("has shape {}, not {:?}", axes(spec), tensor.shape)));
    }
    Ok(())
}

/// Whether an input has the axes of a batch of pictures.
fn takes_pictures(spec: &TensorSpec) -> bool {
    spec.dims.len() == 4 && matches!(spec.element, Some(Datatype::Fp32 | Datatype::Fp16))
}

fn missing(spec: &TensorSpec, signature: &Signature) -> RunnerError {
    bad_input(&spec.name, &format!("is missing; the model takes {}", told(&signature.inputs)))
}

fn bad_input(name: &str, words: &str) -> RunnerError {
    RunnerError::BadInput(format!("the input {name:?} {words}"))
}

/// Names, types and shapes in a row; the first few of them.
fn told(specs: &[TensorSpec]) -> String {
    const SHOWN: usize = 10;
    let mut told: Vec<_> =
        specs.iter().take(SHOWN).map(|spec| format!("{:?} {} {}", spec.name, spec.datatype(), axes(spec))).collect();
    if specs.len() > SHOWN {
        told.push(format!("and {} more", specs.len() - SHOWN));
    }
    told.join(", ")
}

/// A shape with the names of free axes, for instance `[batch, 3, ?]`.
fn axes(spec: &TensorSpec) -> String {
    let axis = |axis: &Dimension| match axis {
        Dimension::Fixed(size) => size.to_string(),
        Dimension::Named(name) => name.clone(),
        Dimension::Free => "?".to_owned(),
    };
    format!("[{}]", spec.dims.iter().map(axis).collect::<Vec<_>>().join(", "))
}
