//! Segmentation masks: drawn from prototypes inside each box, then written as run lengths and a polygon.

mod contour;
mod field;
mod region;
mod rle;

use super::{
    boxes::{Edges, confidence},
    candidates::{Candidate, Table},
};
use crate::{
    error::InterpretError, geometry::Letterbox, options::MaskSize, output::Segment, profile::ClassNames,
    tensor::OutputView,
};
use field::MaskField;
use region::{Region, Window};

/// Most runs that the masks of one picture may have together; only noise comes near.
const MAX_RUNS: usize = 16 << 20;

/// The detections with their masks; one whose mask is empty is left out.
pub(super) fn segments(
    found: &[Candidate],
    table: &Table<'_>,
    prototypes: OutputView<'_>,
    letterbox: &Letterbox,
    mask_size: MaskSize,
    names: &ClassNames,
) -> Result<Vec<Segment>, InterpretError> {
    let values = prototypes.data.to_f32();
    let field = MaskField::new(prototypes.dims, &values, letterbox, mask_size)?;
    let mut drawer = field.drawer();
    let mut region = Region::default();
    let mut segments = Vec::new();
    let mut runs = 0;
    for candidate in found {
        let edges = Edges::of(candidate).to_original(letterbox);
        let inside = match mask_size {
            MaskSize::Original => edges,
            MaskSize::Input => Edges::of(candidate),
        };
        drawer.draw(table.extras(candidate.row), Window::of(inside, field.size()), &mut region);
        let Some(mask) = rle::encode(&region, field.size()) else { continue };
        runs += mask.rle.counts.len();
        if runs > MAX_RUNS {
            return Err(InterpretError::MasksTooDetailed { max_runs: MAX_RUNS });
        }
        segments.push(Segment {
            class_id: candidate.class_id,
            label: names.label(candidate.class_id),
            confidence: confidence(candidate),
            bounding_box: edges.bounding_box(),
            area_px: mask.area_px,
            polygon: contour::outline(&region, &mask.columns),
            mask_rle: mask.rle,
        });
    }
    Ok(segments)
}
