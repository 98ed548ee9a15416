//! Objects that were found in the crops of several segments at once, because the crops overlap.

use super::findings::{FoundObject, FoundSegment};
use crate::artifact::image::{BoundingBox, MaskRle};

/// Two boxes of one class from two crops that overlap by more than this mean one object.
const SAME_OBJECT_IOU: f64 = 0.5;

/// Keeps each object once. Of several sightings the one whose segment's mask contains the middle of the box stays, else the
/// most confident one. Objects of one and the same crop are left as they are.
pub fn keep_each_once(mut objects: Vec<FoundObject>, segments: &[&FoundSegment]) -> Vec<FoundObject> {
    let is_at_home = |object: &FoundObject| {
        let home = segments.iter().find(|segment| Some(segment.segment_idx) == object.source_segment_idx);
        home.is_some_and(|home| contains(&home.segment.mask_rle, middle(&object.finding.bounds())))
    };
    objects.sort_by(|a, b| {
        let by_confidence = b.finding.confidence().total_cmp(&a.finding.confidence());
        is_at_home(b).cmp(&is_at_home(a)).then(by_confidence)
    });
    let mut kept: Vec<FoundObject> = Vec::with_capacity(objects.len());
    for object in objects {
        if !kept.iter().any(|better| is_same(better, &object)) {
            kept.push(object);
        }
    }
    kept
}

fn is_same(a: &FoundObject, b: &FoundObject) -> bool {
    a.source_segment_idx != b.source_segment_idx
        && a.finding.label() == b.finding.label()
        && iou(&a.finding.bounds(), &b.finding.bounds()) > SAME_OBJECT_IOU
}

fn middle(bounds: &BoundingBox) -> (f64, f64) {
    (bounds.x + bounds.width / 2.0, bounds.y + bounds.height / 2.0)
}

/// Intersection over union; 0 for boxes without an area.
fn iou(a: &BoundingBox, b: &BoundingBox) -> f64 {
    let common = |a_from: f64, a_size: f64, b_from: f64, b_size: f64| {
        ((a_from + a_size).min(b_from + b_size) - a_from.max(b_from)).max(0.0)
    };
    let both = common(a.x, a.width, b.x, b.width) * common(a.y, a.height, b.y, b.height);
    let either = a.width * a.height + b.width * b.height - both;
    if either > 0.0 { both / either } else { 0.0 }
}

/// True when the mask is set at the pixel that the point lies in.
fn contains(mask: &MaskRle, (x, y): (f64, f64)) -> bool {
    let [height, width] = mask.size;
    if !(x >= 0.0 && y >= 0.0 && x < f64::from(width) && y < f64::from(height)) {
        return false;
    }
    let pixel = (x as u64) * u64::from(height) + y as u64;
    let mut end = 0;
    let run = mask.counts.iter().position(|&count| {
        end += u64::from(count);
        pixel < end
    });
    run.is_some_and(|run| run % 2 == 1)
}

#[cfg(test)]
mod tests {
    use super::super::think::tests::{object, segment};
    use super::*;

    fn seen(key: u64, confidence: f64, bounds: [f64; 4], segment_idx: u32) -> FoundObject {
        FoundObject { source_segment_idx: Some(segment_idx), ..object(key, confidence, bounds) }
    }

    /// A mask of 10 x 10 pixels whose columns `from..to` are set.
    fn columns(segment_idx: u32, from: u32, to: u32) -> FoundSegment {
        let mut found = FoundSegment { segment_idx, segment: segment("leaf", 0) };
        found.segment.mask_rle = MaskRle { size: [10, 10], counts: vec![from * 10, (to - from) * 10, (10 - to) * 10] };
        found
    }

    #[test]
    fn of_two_sightings_the_one_at_home_stays() {
        let (left, right) = (columns(0, 0, 5), columns(1, 5, 10));
        let objects = vec![
            seen(1, 0.9, [6.0, 1.0, 2.0, 2.0], 0),
            seen(2, 0.7, [6.1, 1.0, 2.0, 2.0], 1),
            seen(3, 0.6, [1.0, 1.0, 2.0, 2.0], 0),
        ];
        let kept = keep_each_once(objects, &[&left, &right]);
        assert_eq!(kept.iter().map(|object| object.key).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn without_a_home_the_more_confident_one_stays_and_one_crops_own_are_not_touched() {
        let objects = vec![
            seen(1, 0.5, [0.0, 0.0, 4.0, 4.0], 0),
            seen(2, 0.9, [0.0, 0.0, 4.0, 4.0], 1),
            seen(3, 0.4, [0.0, 0.0, 4.0, 4.1], 1),
        ];
        let kept = keep_each_once(objects, &[]);
        assert_eq!(kept.iter().map(|object| object.key).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn a_mask_is_read_column_by_column() {
        let mask = columns(0, 2, 3).segment.mask_rle;
        assert!(contains(&mask, (2.0, 0.0)) && contains(&mask, (2.9, 9.9)));
        for outside in [(1.9, 5.0), (3.0, 0.0), (-1.0, 0.0), (2.5, 10.0), (f64::NAN, 1.0)] {
            assert!(!contains(&mask, outside), "{outside:?}");
        }
    }
}
