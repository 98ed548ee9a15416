//! Plain tensors through a model.

use std::sync::atomic::Ordering;
use std::time::Instant;

use ortolan_engine::{Dimension, RunControl, TensorView};

use crate::wire::message::{Part, PartKind};
use crate::wire::protocol::{Failure, Status};
use crate::work::model::Model;
use crate::work::{Call, Sink, put};

/// Runs tensors that come in the signature's order; they are read where they lie.
pub(super) fn serve(model: &Model, call: &Call<'_>, control: &RunControl, sink: &mut dyn Sink) -> Result<(), Failure> {
    let inputs = call.parts.iter().filter_map(view).collect::<Vec<_>>();
    check(model, &inputs)?;
    let mut session =
        model.sessions.take(control).ok_or_else(|| Failure::new(Status::Stopped, "the call was cancelled"))?;
    let began = Instant::now();
    let outputs = session.run(&inputs, control)?;
    model.last_run_us.store(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX), Ordering::Relaxed);
    let parts =
        (0..outputs.len()).map(|index| outputs.tensor(index).map(Part::tensor)).collect::<Result<Vec<_>, _>>()?;
    put(sink, &parts)
}

fn view<'a>(part: &Part<'a>) -> Option<TensorView<'a>> {
    match part.kind {
        PartKind::Tensor(element) => Some(TensorView { element, dims: part.dims, bytes: part.bytes }),
        PartKind::Json | PartKind::Media | PartKind::Words => None,
    }
}

/// The runtime's own words for these would not name the input.
fn check(model: &Model, inputs: &[TensorView<'_>]) -> Result<(), Failure> {
    let wanted = &model.signature.inputs;
    if inputs.len() != wanted.len() {
        return Err(Failure::bad_input(format!(
            "{} inputs were given, the model takes {}",
            inputs.len(),
            wanted.len()
        )));
    }
    for (input, spec) in inputs.iter().zip(wanted) {
        if spec.element != Some(input.element) {
            return Err(Failure::bad_input(format!("the input {:?} is of type {}", spec.name, spec.datatype())));
        }
        let fits =
            |(size, axis): (&i64, &Dimension)| axis.fixed().is_none_or(|fixed| u64::try_from(*size) == Ok(fixed));
        if spec.dims.len() != input.dims.len() || !input.dims.iter().zip(&spec.dims).all(fits) {
            return Err(Failure::bad_input(format!(
                "the input {:?} has another shape than {:?}",
                spec.name, input.dims
            )));
        }
    }
    Ok(())
}
