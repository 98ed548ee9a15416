//! Boxes with key points.

use super::{
    boxes::{Back, Edges, confidence},
    candidates::{Candidate, Table},
};
use crate::{
    geometry::Letterbox,
    output::{Keypoint, PoseDetection},
    profile::ClassNames,
};

/// The detections with `shape` (number of points, whether each has a visibility) key points, cut to the picture.
///
/// A detection with a point that is no number is left out.
pub(super) fn detections(
    found: &[Candidate],
    table: &Table<'_>,
    shape: (usize, bool),
    letterbox: &Letterbox,
    names: &ClassNames,
) -> Vec<PoseDetection> {
    let back = Back::new(letterbox);
    let posed = found.iter().filter_map(|candidate| {
        let keypoints = keypoints(table, candidate.row, shape, &back)?;
        Some(PoseDetection {
            class_id: candidate.class_id,
            label: names.label(candidate.class_id),
            confidence: confidence(candidate),
            bounding_box: Edges::of(candidate).to_original(letterbox).bounding_box(),
            keypoints,
        })
    });
    posed.collect()
}

fn keypoints(table: &Table<'_>, row: usize, shape: (usize, bool), back: &Back) -> Option<Vec<Keypoint>> {
    let (points, with_visibility) = shape;
    let numbers: Vec<f32> = table.extras(row).collect();
    if numbers.len() != points * if with_visibility { 3 } else { 2 } || !numbers.iter().all(|n| n.is_finite()) {
        return None;
    }
    let keypoint = |numbers: &[f32]| {
        let (x, y) = back.point_inside(numbers[0], numbers[1]);
        (x, y, numbers.get(2).copied())
    };
    Some(numbers.chunks_exact(numbers.len() / points).map(keypoint).collect())
}
