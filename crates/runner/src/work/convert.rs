//! Between the engine's words and the vision crate's.

use ortolan_domain::Slot;
use ortolan_engine::{Datatype, Outputs, TensorSpec, TensorView};
use ortolan_vision::{InputTensor, OutputData, OutputView, TensorData, TensorFacts, VisionTask};

use crate::wire::protocol::{Failure, Status};

/// The vision task of a slot.
pub(super) fn task_of(slot: Slot) -> VisionTask {
    match slot {
        Slot::Detect => VisionTask::Detect,
        Slot::Segment => VisionTask::Segment,
        Slot::Classify => VisionTask::Classify,
    }
}

/// What the vision crate needs to know of inputs or outputs.
pub(super) fn facts_of(specs: &[TensorSpec]) -> Vec<TensorFacts> {
    let facts = specs.iter().map(|spec| TensorFacts {
        name: spec.name.clone(),
        element: match spec.element {
            Some(Datatype::Fp32) => ortolan_vision::ElementType::F32,
            Some(Datatype::Fp16) => ortolan_vision::ElementType::F16,
            _ => ortolan_vision::ElementType::Other,
        },
        dims: spec.dims.iter().map(ortolan_engine::Dimension::fixed).collect(),
    });
    facts.collect()
}

/// A prepared picture as the engine takes it; `dims` is room for its shape.
pub(super) fn view_of<'a>(tensor: &'a InputTensor, dims: &'a mut [i64; 4]) -> TensorView<'a> {
    for (into, from) in dims.iter_mut().zip(tensor.dims) {
        *into = i64::try_from(from).unwrap_or(i64::MAX);
    }
    let (element, bytes) = match &tensor.data {
        TensorData::F32(values) => (Datatype::Fp32, bytemuck::cast_slice(values)),
        TensorData::F16(values) => (Datatype::Fp16, bytemuck::cast_slice(values)),
    };
    TensorView { element, dims, bytes }
}

/// Shapes of a run's outputs in the vision crate's type; the views borrow them.
pub(super) fn shapes_of(outputs: &Outputs<'_>) -> Result<Vec<Vec<usize>>, Failure> {
    let shape = |index| -> Result<Vec<usize>, Failure> {
        let view = outputs.tensor(index)?;
        view.dims.iter().map(|dim| usize::try_from(*dim).map_err(|_| unreadable())).collect()
    };
    (0..outputs.len()).map(shape).collect()
}

/// A run's outputs as the vision crate reads them, without a copy.
pub(super) fn views_of<'a>(outputs: &'a Outputs<'_>, shapes: &'a [Vec<usize>]) -> Result<Vec<OutputView<'a>>, Failure> {
    let view = |(index, dims): (usize, &'a Vec<usize>)| -> Result<OutputView<'a>, Failure> {
        let tensor = outputs.tensor(index)?;
        let data = match (tensor.as_f32(), tensor.as_f16()) {
            (Some(values), _) => OutputData::F32(values),
            (None, Some(values)) => OutputData::F16(values),
            (None, None) => return Err(unreadable()),
        };
        Ok(OutputView { dims, data })
    };
    shapes.iter().enumerate().map(view).collect()
}

fn unreadable() -> Failure {
    Failure::new(Status::RunFailed, "the model answered with a type that cannot be read")
}
