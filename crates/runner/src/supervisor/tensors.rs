//! Between tensors with names and parts by position.

use bytes::Bytes;
use ortolan_domain::tensor::Tensor;

use crate::answer::ModelFacts;
use crate::error::RunnerError;
use crate::supervisor::host::malformed;
use crate::wire::message::{OwnedPart, PartKind};

/// Inputs in the signature's order, with as many bytes as their shapes say.
pub(super) fn in_order(facts: &ModelFacts, mut given: Vec<Tensor>) -> Result<Vec<Tensor>, RunnerError> {
    let mut inputs = Vec::with_capacity(given.len());
    for spec in &facts.signature.inputs {
        let found = given.iter().position(|tensor| tensor.name == spec.name);
        let found = found.ok_or_else(|| RunnerError::BadInput(format!("the input {:?} is missing", spec.name)))?;
        let tensor = given.swap_remove(found);
        tensor
            .check()
            .map_err(|error| RunnerError::BadInput(format!("the input {:?}: {}", error.field, error.reason)))?;
        inputs.push(tensor);
    }
    match given.first() {
        None => Ok(inputs),
        Some(more) => {
            Err(RunnerError::BadInput(format!("the model has no input {:?}, or it was given twice", more.name)))
        }
    }
}

/// Outputs with their names.
pub(super) fn named(facts: &ModelFacts, parts: Vec<OwnedPart>) -> Result<Vec<Tensor>, RunnerError> {
    let specs = &facts.signature.outputs;
    if parts.len() != specs.len() {
        return Err(malformed());
    }
    let named = specs.iter().zip(parts).map(|(spec, part)| match part.kind {
        PartKind::Tensor(element) => {
            Ok(Tensor { name: spec.name.clone(), datatype: element, shape: part.dims, data: Bytes::from(part.bytes) })
        }
        PartKind::Json | PartKind::Media | PartKind::Words => Err(malformed()),
    });
    named.collect()
}
