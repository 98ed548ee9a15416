//! A made-up input through a model, to see that it runs.

use std::time::Instant;

use ortolan_engine::{Dimension, RunControl, Signature, TensorSpec, TensorView};
use ortolan_vision::{ModelProfile, RgbImage, VisionOptions};

use crate::answer::Trial;
use crate::wire::protocol::{Failure, Status};
use crate::work::model::Model;
use crate::work::vision::Look;
use crate::work::{Sink, put_json};

/// Most bytes of all made-up inputs together.
const MOST_BYTES: usize = 64 << 20;
/// Sizes for free axes that are named like the sides of a picture, and for all others.
const USUAL_SIDE: i64 = 32;
const USUAL_SIZE: i64 = 1;

/// Runs a grey picture through a model for a slot, and zeros through any other.
pub(super) fn serve(model: &Model, control: &RunControl, sink: &mut dyn Sink) -> Result<(), Failure> {
    let began = Instant::now();
    let items = match &model.profile {
        Some(profile) => Some(grey_picture(model, profile, control)?),
        None => {
            zeros(model, control)?;
            None
        }
    };
    put_json(sink, &Trial { run_ms: began.elapsed().as_secs_f64() * 1e3, items })
}

fn grey_picture(model: &Model, profile: &ModelProfile, control: &RunControl) -> Result<usize, Failure> {
    let (width, height) = (320, 240);
    let pixels = vec![114; width * height * 3];
    let image =
        RgbImage::new(width as u32, height as u32, pixels).map_err(|error| Failure::bad_input(error.to_string()))?;
    let output = Look::new(model, profile, &VisionOptions::default(), control).at(image.view())?;
    Ok(output.len())
}

fn zeros(model: &Model, control: &RunControl) -> Result<(), Failure> {
    let none = || Failure::new(Status::TooLarge, "no input can be made up for the model");
    let shapes = made_up_shapes(&model.signature).ok_or_else(none)?;
    let longest = shapes.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
    // All inputs read the same zeros; words of 8 bytes are aligned for every type.
    let memory = vec![0u64; longest.div_ceil(8)];
    let memory: &[u8] = bytemuck::cast_slice(&memory);
    let inputs = model
        .signature
        .inputs
        .iter()
        .zip(&shapes)
        .map(|(spec, (dims, bytes))| Some(TensorView { element: spec.element?, dims, bytes: &memory[..*bytes] }));
    let inputs = inputs.collect::<Option<Vec<_>>>().ok_or_else(none)?;
    let mut session =
        model.sessions.take(control).ok_or_else(|| Failure::new(Status::Stopped, "the trial was stopped"))?;
    session.run(&inputs, control)?;
    Ok(())
}

/// Shape and bytes of each made-up input, or nothing when one is too large or no tensor of fixed-size elements.
fn made_up_shapes(signature: &Signature) -> Option<Vec<(Vec<i64>, usize)>> {
    let shapes = signature.inputs.iter().map(made_up_shape).collect::<Option<Vec<_>>>()?;
    let total = shapes.iter().try_fold(0usize, |total, (_, bytes)| total.checked_add(*bytes))?;
    (total <= MOST_BYTES).then_some(shapes)
}

fn made_up_shape(spec: &TensorSpec) -> Option<(Vec<i64>, usize)> {
    let mut bytes = spec.element?.size()?;
    let mut dims = Vec::with_capacity(spec.dims.len());
    for axis in &spec.dims {
        let size = made_up_size(axis)?;
        bytes = bytes.checked_mul(usize::try_from(size).ok()?)?;
        dims.push(size);
    }
    Some((dims, bytes))
}

fn made_up_size(axis: &Dimension) -> Option<i64> {
    match axis {
        Dimension::Fixed(size) => i64::try_from(*size).ok(),
        Dimension::Named(name) if matches!(name.as_str(), "height" | "width" | "h" | "w") => Some(USUAL_SIDE),
        Dimension::Named(_) | Dimension::Free => Some(USUAL_SIZE),
    }
}

#[cfg(test)]
mod tests {
    use ortolan_engine::{Datatype, ValueKind};

    use super::*;

    fn spec(dims: Vec<Dimension>) -> TensorSpec {
        TensorSpec { name: "x".to_owned(), kind: ValueKind::Tensor, element: Some(Datatype::Fp32), dims }
    }

    #[test]
    fn shapes_that_overflow_or_are_too_large_are_not_made_up() {
        let signature = |dims: &[u64]| Signature {
            inputs: vec![spec(dims.iter().map(|dim| Dimension::Fixed(*dim)).collect())],
            outputs: vec![],
        };
        assert_eq!(made_up_shapes(&signature(&[2, 3])), Some(vec![(vec![2, 3], 24)]));
        for dims in [&[1 << 62, 4][..], &[1 << 32, 1 << 32], &[1, 3, 30_000, 30_000], &[u64::MAX]] {
            assert_eq!(made_up_shapes(&signature(dims)), None, "{dims:?}");
        }
    }

    #[test]
    fn free_axes_get_a_size_by_name() {
        let named = |name: &str| Dimension::Named(name.to_owned());
        let shape = made_up_shape(&spec(vec![named("batch"), Dimension::Fixed(3), named("height"), Dimension::Free]));
        assert_eq!(shape, Some((vec![1, 3, 32, 1], 384)));
    }
}
