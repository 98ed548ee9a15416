//! Turned boxes: suppression by probabilistic overlap, and the way back to the original.

use super::{
    boxes::{Back, confidence},
    candidates::{Candidate, Table},
};
use crate::{
    geometry::Letterbox,
    options::VisionOptions,
    output::{BoundingBox, OrientedDetection, Point},
    profile::ClassNames,
};

/// Keeps numbers away from zero where they are divided by or taken the logarithm of.
const EPSILON: f64 = 1e-7;
/// Largest distance that is told apart.
const MAX_DISTANCE: f64 = 100.0;

/// Keeps boxes that no better one of their class (any, when agnostic) overlaps by more than the threshold; unlike with
/// upright boxes, one that went itself still counts.
///
/// `candidates` are sorted by falling score. Ends as soon as enough are kept.
pub(super) fn suppress(candidates: Vec<Candidate>, table: &Table<'_>, options: &VisionOptions) -> Vec<Candidate> {
    let mut seen: Vec<(u32, Gaussian)> = Vec::with_capacity(candidates.len());
    let mut kept = Vec::new();
    for candidate in candidates {
        if kept.len() == options.max_detections {
            break;
        }
        let Some(angle) = angle(table, &candidate) else { continue };
        let gaussian = Gaussian::of(candidate.place, angle);
        let mut rivals = seen.iter().filter(|(class_id, _)| options.class_agnostic || *class_id == candidate.class_id);
        if rivals.all(|(_, rival)| rival.overlap(&gaussian) <= f64::from(options.iou_threshold)) {
            kept.push(candidate);
        }
        seen.push((candidate.class_id, gaussian));
    }
    kept
}

/// The detections in original pixels; nothing is cut to the picture, the angle stays as it is.
pub(super) fn detections(
    found: &[Candidate],
    table: &Table<'_>,
    letterbox: &Letterbox,
    names: &ClassNames,
) -> Vec<OrientedDetection> {
    let back = Back::new(letterbox);
    let turned = found.iter().filter_map(|candidate| angle(table, candidate).map(|angle| (candidate, angle)));
    turned.filter_map(|(candidate, angle)| detection(candidate, angle, &back, names)).collect()
}

/// The angle in radians, if it is a number.
fn angle(table: &Table<'_>, candidate: &Candidate) -> Option<f32> {
    table.extras(candidate.row).next().filter(|angle| angle.is_finite())
}

/// `None` where numbers overflow: such a box cannot be cut to anything.
fn detection(candidate: &Candidate, angle_rad: f32, back: &Back, names: &ClassNames) -> Option<OrientedDetection> {
    let [x, y, width, height] = candidate.place;
    let (x, y) = back.point(x, y);
    let (width, height) = back.lengths(width, height);
    let corners = corners(x, y, width, height, angle_rad);
    corners.iter().flatten().all(|number| number.is_finite()).then(|| OrientedDetection {
        class_id: candidate.class_id,
        label: names.label(candidate.class_id),
        confidence: confidence(candidate),
        center: Point { x, y },
        width,
        height,
        angle_rad,
        corners,
        bounding_box: around(&corners),
    })
}

/// The corners from the end of both half-axes around the box.
fn corners(x: f32, y: f32, width: f32, height: f32, angle_rad: f32) -> [[f32; 2]; 4] {
    let (sin, cos) = angle_rad.sin_cos();
    let (along_x, along_y) = (width / 2.0 * cos, width / 2.0 * sin);
    let (across_x, across_y) = (-height / 2.0 * sin, height / 2.0 * cos);
    [(1.0, 1.0), (1.0, -1.0), (-1.0, -1.0), (-1.0, 1.0)]
        .map(|(u, v)| [x + u * along_x + v * across_x, y + u * along_y + v * across_y])
}

fn around(corners: &[[f32; 2]; 4]) -> BoundingBox {
    let least = |axis: usize| corners.iter().map(|corner| corner[axis]).fold(f32::INFINITY, f32::min);
    let most = |axis: usize| corners.iter().map(|corner| corner[axis]).fold(f32::NEG_INFINITY, f32::max);
    BoundingBox { x: least(0), y: least(1), width: most(0) - least(0), height: most(1) - least(1) }
}

/// A turned box seen as a Gaussian distribution with the box's own variances.
struct Gaussian {
    x: f64,
    y: f64,
    /// The covariance matrix: variances across and down, and the covariance.
    xx: f64,
    yy: f64,
    xy: f64,
}

impl Gaussian {
    fn of(place: [f32; 4], angle_rad: f32) -> Self {
        let [x, y, width, height] = place.map(f64::from);
        let (along, across) = (width * width / 12.0, height * height / 12.0);
        let (sin, cos) = f64::from(angle_rad).sin_cos();
        Self {
            x,
            y,
            xx: along * cos * cos + across * sin * sin,
            yy: along * sin * sin + across * cos * cos,
            xy: (along - across) * cos * sin,
        }
    }

    /// One minus the Hellinger distance (Llerena et al., "Gaussian Bounding Boxes and Probabilistic Intersection-over-
    /// Union", 2021); 0 where numbers overflow.
    fn overlap(&self, other: &Self) -> f64 {
        let (xx, yy, xy) = (self.xx + other.xx, self.yy + other.yy, self.xy + other.xy);
        let (dx, dy) = (self.x - other.x, self.y - other.y);
        let determinant = xx * yy - xy * xy;
        let apart = (xx * dy * dy + yy * dx * dx) / (determinant + EPSILON) / 4.0;
        let skewed = xy * dx * -dy / (determinant + EPSILON) / 2.0;
        let own = (self.determinant() * other.determinant()).sqrt();
        let shape = (determinant / (4.0 * own + EPSILON) + EPSILON).ln() / 2.0;
        let distance = (apart + skewed + shape).clamp(EPSILON, MAX_DISTANCE);
        let overlap = 1.0 - (1.0 - (-distance).exp() + EPSILON).sqrt();
        if overlap.is_finite() { overlap } else { 0.0 }
    }

    fn determinant(&self) -> f64 {
        (self.xx * self.yy - self.xy * self.xy).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::{FRAC_PI_2, PI};

    use super::*;
    use crate::profile::{BoxKind, RowLayout, RowOrder};

    #[test]
    fn overlap_is_one_for_equal_boxes_and_falls_with_distance() {
        let at = |x: f32| Gaussian::of([x, 0.0, 20.0, 10.0], 0.3);
        assert!(at(0.0).overlap(&at(0.0)) > 0.999);
        assert!(at(0.0).overlap(&at(5.0)) > at(0.0).overlap(&at(10.0)));
        assert!(at(0.0).overlap(&at(1000.0)) < 0.001);
    }

    #[test]
    fn half_a_turn_is_the_same_box_and_a_quarter_swaps_the_sides() {
        let box_at = |width, height, angle| Gaussian::of([3.0, 4.0, width, height], angle);
        assert!(box_at(20.0, 10.0, 0.2).overlap(&box_at(20.0, 10.0, 0.2 + PI)) > 0.999);
        assert!(box_at(20.0, 10.0, 0.2).overlap(&box_at(10.0, 20.0, 0.2 + FRAC_PI_2)) > 0.999);
    }

    #[test]
    fn corners_go_around_the_turned_box() {
        let found = corners(10.0, 20.0, 8.0, 4.0, FRAC_PI_2);
        let wanted = [[8.0, 24.0], [12.0, 24.0], [12.0, 16.0], [8.0, 16.0]];
        for (found, wanted) in found.iter().flatten().zip(wanted.iter().flatten()) {
            assert!((found - wanted).abs() < 1e-5, "{found} {wanted}");
        }
    }

    #[test]
    fn a_suppressed_box_still_suppresses() {
        // One row each of x, y, width, height, a class and the angle, for three boxes in a chain.
        let columns = [[0.0, 6.0, 12.0], [0.0; 3], [20.0; 3], [20.0; 3], [0.9, 0.8, 0.7], [0.0; 3]];
        let layout = RowLayout { order: RowOrder::ColumnsFirst { classes: 1 }, rows: 3, columns: 6 };
        let table = Table { layout, kind: BoxKind::Oriented, values: columns.as_flattened() };
        let candidates = table.candidates(0.25, None);
        let overlap = |a: usize, b: usize| {
            Gaussian::of(candidates[a].place, 0.0).overlap(&Gaussian::of(candidates[b].place, 0.0)) as f32
        };
        let options = VisionOptions { iou_threshold: overlap(0, 2) + 0.01, ..VisionOptions::default() };
        assert!(overlap(0, 1) > options.iou_threshold && overlap(1, 2) > options.iou_threshold);
        assert_eq!(suppress(candidates, &table, &options).len(), 1);
    }
}
