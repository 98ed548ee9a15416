//! Greedy non-maximum suppression of upright boxes, in input pixels.

use super::{boxes::Edges, candidates::Candidate};
use crate::options::VisionOptions;

/// Keeps the best boxes: one goes when it overlaps a kept one (of its class, unless agnostic) by more than the threshold.
///
/// `candidates` are sorted by falling score. Ends as soon as enough are kept.
pub(super) fn suppress(candidates: Vec<Candidate>, options: &VisionOptions) -> Vec<Candidate> {
    let mut kept: Vec<(Candidate, Area)> = Vec::new();
    for candidate in candidates {
        if kept.len() == options.max_detections {
            break;
        }
        let area = Area::of(Edges::of(&candidate));
        let rivals = kept.iter().filter(|(rival, _)| options.class_agnostic || rival.class_id == candidate.class_id);
        if rivals.into_iter().all(|(_, rival)| rival.overlap(&area) <= options.iou_threshold) {
            kept.push((candidate, area));
        }
    }
    kept.into_iter().map(|(candidate, _)| candidate).collect()
}

/// A box with its area, which every comparison needs.
struct Area {
    edges: Edges,
    area: f32,
}

impl Area {
    fn of(edges: Edges) -> Self {
        Self { edges, area: (edges.right - edges.left) * (edges.bottom - edges.top) }
    }

    /// Intersection over union; 0 for boxes without area and where numbers overflow.
    fn overlap(&self, other: &Self) -> f32 {
        let width = self.edges.right.min(other.edges.right) - self.edges.left.max(other.edges.left);
        let height = self.edges.bottom.min(other.edges.bottom) - self.edges.top.max(other.edges.top);
        let intersection = width.max(0.0) * height.max(0.0);
        let overlap = intersection / (self.area + other.area - intersection);
        if overlap.is_finite() { overlap } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::interpret::candidates;

    fn candidate(class_id: u32, score: f32, place: [f32; 4]) -> Candidate {
        Candidate { row: 0, class_id, score, place }
    }

    fn options(iou_threshold: f32, class_agnostic: bool) -> VisionOptions {
        VisionOptions { iou_threshold, class_agnostic, ..VisionOptions::default() }
    }

    #[test]
    fn a_box_goes_only_when_it_overlaps_by_more_than_the_threshold() {
        // The overlap is exactly one half.
        let pair = vec![candidate(0, 0.9, [0.0, 0.0, 10.0, 20.0]), candidate(0, 0.8, [0.0, 0.0, 10.0, 10.0])];
        assert_eq!(suppress(pair.clone(), &options(0.5, false)).len(), 2);
        assert_eq!(suppress(pair, &options(0.49, false)).len(), 1);
    }

    #[test]
    fn other_classes_are_rivals_only_when_agnostic() {
        let place = [0.0, 0.0, 10.0, 10.0];
        let pair = vec![candidate(0, 0.9, place), candidate(1, 0.8, place)];
        assert_eq!(suppress(pair.clone(), &options(0.5, false)).len(), 2);
        assert_eq!(suppress(pair, &options(0.5, true)).len(), 1);
    }

    #[test]
    fn a_suppressed_box_suppresses_nothing() {
        let chain = [0.0, 4.0, 8.0].map(|x| candidate(0, 0.9 - x / 100.0, [x, 0.0, x + 10.0, 10.0]));
        let kept = suppress(chain.to_vec(), &options(0.4, false));
        assert_eq!(kept.iter().map(|kept| kept.place[0]).collect::<Vec<_>>(), [0.0, 8.0]);
    }

    #[test]
    fn boxes_as_large_as_floats_get_are_no_trouble() {
        let huge = candidate(0, 0.9, [-1.5e38, -1.5e38, 1.5e38, 1.5e38]);
        assert_eq!(suppress(vec![huge, huge], &options(0.5, false)).len(), 2);
    }

    prop_compose! {
        fn any_candidate()(class_id in 0..3_u32, score in 0.0..1.0_f32, x in 0.0..60.0_f32, y in 0.0..60.0_f32, w in 0.0..40.0_f32, h in 0.0..40.0_f32) -> Candidate {
            candidate(class_id, score, [x, y, x + w, y + h])
        }
    }

    proptest! {
        #[test]
        fn the_kept_do_not_overlap_and_every_dropped_one_has_a_better_rival(
            mut all in prop::collection::vec(any_candidate(), 0..60), threshold in 0.0..1.0_f32, agnostic: bool,
        ) {
            candidates::sort(&mut all);
            let options = VisionOptions { max_detections: 1000, ..options(threshold, agnostic) };
            let kept = suppress(all.clone(), &options);
            let rival = |a: &Candidate, b: &Candidate| {
                (agnostic || a.class_id == b.class_id) && Area::of(Edges::of(a)).overlap(&Area::of(Edges::of(b))) > threshold
            };
            for (i, a) in kept.iter().enumerate() {
                prop_assert!(kept[i + 1..].iter().all(|b| !rival(a, b)));
            }
            for dropped in all.iter().filter(|candidate| !kept.contains(candidate)) {
                prop_assert!(kept.iter().any(|better| better.score >= dropped.score && rival(better, dropped)));
            }
        }
    }
}
