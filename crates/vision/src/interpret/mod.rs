//! From a run's outputs to detections, masks and classes.

mod boxes;
mod candidates;
mod masks;
mod oriented;
mod pose;
mod ranking;
mod suppression;

use crate::{
    error::InterpretError,
    geometry::{Framing, Letterbox},
    options::VisionOptions,
    output::VisionOutput,
    profile::{BoxKind, BoxLayout, Head, ModelProfile, RowOrder},
    tensor::OutputView,
};
use candidates::{Candidate, Table};

/// Most candidates that enter suppression, whose cost grows with their square; the best ones are taken.
const MAX_CANDIDATES: usize = 30_000;

/// Reads a run's outputs; options are checked already.
pub(crate) fn interpret(
    profile: &ModelProfile,
    outputs: &[OutputView<'_>],
    framing: &Framing,
    options: &VisionOptions,
) -> Result<VisionOutput, InterpretError> {
    match (&profile.head, framing) {
        (Head::Boxes(layout), Framing::Letterbox(letterbox)) => {
            interpret_boxes(profile, layout, outputs, letterbox, options)
        }
        (Head::Classes { .. }, Framing::CentreCrop) => {
            ranking::rank(profile, outputs, options).map(VisionOutput::Classification)
        }
        _ => Err(InterpretError::Framing),
    }
}

fn interpret_boxes(
    profile: &ModelProfile,
    layout: &BoxLayout,
    outputs: &[OutputView<'_>],
    letterbox: &Letterbox,
    options: &VisionOptions,
) -> Result<VisionOutput, InterpretError> {
    let (row_layout, rows, prototypes) = layout.resolve(outputs)?;
    let values = rows.data.to_f32();
    let table = Table { layout: row_layout, kind: layout.kind, values: &values };
    let wanted = profile.selected_classes(options)?;
    let candidates = table.candidates(options.confidence_threshold, wanted.as_deref());
    let found = choose(candidates, &table, options);
    let names = &profile.names;
    Ok(match (layout.kind, prototypes) {
        (BoxKind::Oriented, _) => VisionOutput::Oriented(oriented::detections(&found, &table, letterbox, names)),
        (BoxKind::Pose { points, with_visibility }, _) => {
            VisionOutput::Poses(pose::detections(&found, &table, (points, with_visibility), letterbox, names))
        }
        (BoxKind::Masks, Some(prototypes)) => {
            VisionOutput::Segments(masks::segments(&found, &table, prototypes, letterbox, options.mask_size, names)?)
        }
        _ => VisionOutput::Detections(found.iter().map(|found| boxes::detection(found, letterbox, names)).collect()),
    })
}

/// Cuts candidates down to the detections, best first.
fn choose(mut candidates: Vec<Candidate>, table: &Table<'_>, options: &VisionOptions) -> Vec<Candidate> {
    if table.layout.order == RowOrder::Final {
        // The model has suppressed already and ordered its rows; only what is left of them is sorted.
        candidates.truncate(options.max_detections);
        candidates::sort(&mut candidates);
        return candidates;
    }
    candidates::sort(&mut candidates);
    candidates.truncate(MAX_CANDIDATES);
    match table.kind {
        BoxKind::Oriented => oriented::suppress(candidates, table, options),
        _ => suppression::suppress(candidates, options),
    }
}
