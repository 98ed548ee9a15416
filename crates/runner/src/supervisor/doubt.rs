//! Whether an answer can be one. The runner that gave it may no longer be ours, so what its own code promises counts for
//! nothing here.

use ortolan_vision::{BoundingBox, MAX_DETECTIONS, MaskRle, VisionOutput};

use crate::answer::{MAX_IN_CROPS, VisionAnswer};

/// Most classes of a classification, and bytes of a class's name.
const MAX_CLASSES: usize = 65_536;
const MAX_LABEL_BYTES: usize = 1024;

/// True when all numbers are finite, all counts within their limits and all masks as large as they say.
pub(super) fn is_sound(answer: &VisionAnswer) -> bool {
    let cropped = !answer.crop_of.is_empty();
    if cropped && answer.crop_of.len() != answer.output.len() {
        return false;
    }
    let within = |count: usize| count <= if cropped { MAX_IN_CROPS } else { MAX_DETECTIONS };
    match &answer.output {
        VisionOutput::Detections(all) => {
            within(all.len())
                && all.iter().all(|one| is_label(&one.label) && is_score(one.confidence) && is_box(&one.bounding_box))
        }
        VisionOutput::Segments(all) => {
            within(all.len())
                && all.iter().all(|one| {
                    is_label(&one.label)
                        && is_score(one.confidence)
                        && is_box(&one.bounding_box)
                        && is_mask(&one.mask_rle, one.area_px)
                        && are_finite(one.polygon.iter().flatten())
                })
        }
        VisionOutput::Oriented(all) => {
            within(all.len())
                && all.iter().all(|one| {
                    let numbers = [one.center.x, one.center.y, one.width, one.height, one.angle_rad];
                    is_label(&one.label)
                        && is_score(one.confidence)
                        && is_box(&one.bounding_box)
                        && are_finite(numbers.iter().chain(one.corners.iter().flatten()))
                })
        }
        VisionOutput::Poses(all) => {
            within(all.len())
                && all.iter().all(|one| {
                    let visible = one.keypoints.iter().filter_map(|point| point.2.as_ref());
                    is_label(&one.label)
                        && is_score(one.confidence)
                        && is_box(&one.bounding_box)
                        && are_finite(one.keypoints.iter().flat_map(|point| [&point.0, &point.1]).chain(visible))
                })
        }
        VisionOutput::Classification(all) => {
            all.predictions.len() <= MAX_CLASSES
                && all.predictions.iter().all(|one| is_label(&one.label) && one.confidence.is_finite())
        }
    }
}

fn is_label(label: &str) -> bool {
    label.len() <= MAX_LABEL_BYTES && !label.chars().any(char::is_control)
}

fn is_score(confidence: f32) -> bool {
    confidence.is_finite()
}

fn is_box(edges: &BoundingBox) -> bool {
    are_finite([&edges.x, &edges.y, &edges.width, &edges.height].into_iter())
        && edges.width >= 0.0
        && edges.height >= 0.0
}

fn is_mask(mask: &MaskRle, area_px: u64) -> bool {
    let covered: u64 = mask.counts.iter().map(|count| u64::from(*count)).sum();
    let ones: u64 = mask.counts.iter().skip(1).step_by(2).map(|count| u64::from(*count)).sum();
    covered == u64::from(mask.size[0]) * u64::from(mask.size[1]) && ones == area_px
}

fn are_finite<'a>(mut numbers: impl Iterator<Item = &'a f32>) -> bool {
    numbers.all(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use ortolan_vision::{Detection, Segment};

    use super::*;
    use crate::answer::Timings;

    fn answer(output: VisionOutput) -> VisionAnswer {
        VisionAnswer { output, crop_of: vec![], width: 4, height: 2, timings: Timings::default() }
    }

    fn detection() -> Detection {
        let bounding_box = BoundingBox { x: 1.0, y: 1.0, width: 2.0, height: 0.0 };
        Detection { class_id: 0, label: "circle".to_owned(), confidence: 0.5, bounding_box }
    }

    #[test]
    fn what_no_honest_runner_says_is_not_believed() {
        let of = |change: fn(&mut Detection)| {
            let mut forged = detection();
            change(&mut forged);
            is_sound(&answer(VisionOutput::Detections(vec![forged])))
        };
        assert!(of(|_| ()));
        assert!(!of(|one| one.confidence = f32::NAN));
        assert!(!of(|one| one.bounding_box.x = f32::INFINITY));
        assert!(!of(|one| one.bounding_box.width = -1.0));
        assert!(!of(|one| one.label = "a\nb".to_owned()));
        assert!(!of(|one| one.label = "x".repeat(5000)));
        assert!(!is_sound(&answer(VisionOutput::Detections(vec![detection(); MAX_DETECTIONS + 1]))));
    }

    #[test]
    fn a_mask_must_cover_its_size_and_its_area() {
        let segment = |counts: Vec<u32>, area_px| {
            let Detection { class_id, label, confidence, bounding_box } = detection();
            let mask_rle = MaskRle { size: [2, 4], counts };
            let one = Segment { class_id, label, confidence, bounding_box, area_px, mask_rle, polygon: vec![] };
            is_sound(&answer(VisionOutput::Segments(vec![one])))
        };
        assert!(segment(vec![3, 4, 1], 4));
        assert!(!segment(vec![3, 4], 4), "too short");
        assert!(!segment(vec![3, 4, u32::MAX, u32::MAX], 4), "far too long");
        assert!(!segment(vec![3, 4, 1], 5), "another area");
    }
}
