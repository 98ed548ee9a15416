//! Which boxes of overlapping tiles are one object, as the SAHI package decides it: greedy non-maximum merging, its
//! transitive variant, and plain suppression.
//!
//! Whether boxes match is computed in 32-bit floats, whether a box still matches the grown one in 64-bit floats, as the
//! reference does.

use std::collections::BTreeMap;

use ortolan_domain::config::{MatchMetric, Merge};

use super::options::TilingOptions;

/// A box in pixels of the whole picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RawBox {
    /// Left, top, right, bottom.
    pub(super) edges: [f64; 4],
    pub(super) score: f32,
    pub(super) class_id: u32,
}

/// A box that stays, and the one it came from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Kept {
    /// The position of the group's best box.
    pub(super) index: usize,
    /// That box, grown around its group.
    pub(super) grown: RawBox,
}

/// Merges the boxes of all tiles; the result is in no particular order.
pub(super) fn merge(raw: &[RawBox], options: &TilingOptions) -> Vec<Kept> {
    let mut classes: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (index, one) in raw.iter().enumerate() {
        let class = if options.class_agnostic { 0 } else { one.class_id };
        classes.entry(class).or_default().push(index);
    }
    let of_class = |indices: Vec<usize>| {
        let boxes: Vec<RawBox> = indices.iter().map(|&index| raw[index]).collect();
        let groups = Matches::new(&boxes, options).groups(options.postprocess);
        let grow = |(keeper, members): (usize, Vec<usize>)| {
            let members = members.into_iter().map(|member| boxes[member]);
            Kept { index: indices[keeper], grown: grow(boxes[keeper], members, options) }
        };
        groups.into_iter().map(grow).collect::<Vec<_>>()
    };
    classes.into_values().flat_map(of_class).collect()
}

/// Boxes of one class (or of all) with what is needed to compare them.
struct Matches<'a> {
    boxes: Vec<([f32; 4], f32)>,
    /// Positions by falling score; equal ones by their edges.
    order: Vec<usize>,
    options: &'a TilingOptions,
}

impl<'a> Matches<'a> {
    fn new(boxes: &[RawBox], options: &'a TilingOptions) -> Self {
        let boxes: Vec<_> = boxes.iter().map(|one| (one.edges.map(|edge| edge as f32), one.score)).collect();
        let mut order: Vec<usize> = (0..boxes.len()).collect();
        let edges = |index: usize| boxes[index].0;
        order.sort_by(|&a, &b| {
            let by_edges = || edges(a).iter().zip(&edges(b)).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne());
            boxes[b].1.total_cmp(&boxes[a].1).then_with(|| by_edges().unwrap_or(std::cmp::Ordering::Equal))
        });
        Self { boxes, order, options }
    }

    /// The boxes that stay, each with those that may be merged into it, in the order of merging.
    fn groups(&self, postprocess: Merge) -> Vec<(usize, Vec<usize>)> {
        match postprocess {
            Merge::GreedyNmm => self.greedy(),
            Merge::Nms => self.greedy().into_iter().map(|(keeper, _)| (keeper, Vec::new())).collect(),
            Merge::Nmm => self.transitive(),
        }
    }

    /// The best box that is left takes all that match it.
    fn greedy(&self) -> Vec<(usize, Vec<usize>)> {
        let mut left = self.order.clone();
        let mut groups = Vec::new();
        while let Some((&keeper, others)) = left.split_first() {
            let (members, rest) = others.iter().partition(|&&other| self.matches(keeper, other));
            groups.push((keeper, members));
            left = rest;
        }
        groups
    }

    /// What matches a member of a group joins it too, however far from the keeper.
    fn transitive(&self) -> Vec<(usize, Vec<usize>)> {
        let mut group_of: Vec<Option<usize>> = vec![None; self.boxes.len()];
        let mut groups: Vec<(usize, Vec<usize>)> = Vec::new();
        for &index in &self.order {
            let group = *group_of[index].get_or_insert_with(|| {
                groups.push((index, Vec::new()));
                groups.len() - 1
            });
            for (other, group_of) in group_of.iter_mut().enumerate() {
                if group_of.is_none() && self.is_not_better(other, index) && self.matches(index, other) {
                    *group_of = Some(group);
                    groups[group].1.push(other);
                }
            }
        }
        groups
    }

    fn is_not_better(&self, one: usize, than: usize) -> bool {
        let ((edges, score), (than_edges, than_score)) = (self.boxes[one], self.boxes[than]);
        score < than_score || (score == than_score && edges <= than_edges)
    }

    fn matches(&self, a: usize, b: usize) -> bool {
        overlap_f32(self.boxes[a].0, self.boxes[b].0, self.options.match_metric) >= self.options.match_threshold as f32
    }
}

/// Grows a box around those that still match it as it grows; the others are lost.
fn grow(keeper: RawBox, members: impl Iterator<Item = RawBox>, options: &TilingOptions) -> RawBox {
    members.fold(keeper, |grown, member| {
        if overlap_f64(grown.edges, member.edges, options.match_metric) < options.match_threshold {
            return grown;
        }
        let ([left, top, right, bottom], other) = (grown.edges, member.edges);
        RawBox {
            edges: [left.min(other[0]), top.min(other[1]), right.max(other[2]), bottom.max(other[3])],
            score: grown.score.max(member.score),
            class_id: if grown.score > member.score { grown.class_id } else { member.class_id },
        }
    })
}

/// Defines the overlap of two boxes in one kind of floats; 0 where there is no area.
macro_rules! overlap {
    ($name:ident, $float:ty) => {
        fn $name(a: [$float; 4], b: [$float; 4], metric: MatchMetric) -> $float {
            let side = |from: usize, to: usize| (a[to].min(b[to]) - a[from].max(b[from])).max(0.0);
            let area = |edges: [$float; 4]| (edges[2] - edges[0]) * (edges[3] - edges[1]);
            let both = side(0, 2) * side(1, 3);
            let whole = match metric {
                MatchMetric::Ios => area(a).min(area(b)),
                MatchMetric::Iou => area(a) + area(b) - both,
            };
            if whole > 0.0 { both / whole } else { 0.0 }
        }
    };
}

overlap!(overlap_f32, f32);
overlap!(overlap_f64, f64);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw(class_id: u32, score: f32, edges: [f64; 4]) -> RawBox {
        RawBox { edges, score, class_id }
    }

    fn options(postprocess: Merge, match_metric: MatchMetric) -> TilingOptions {
        TilingOptions { postprocess, match_metric, ..TilingOptions::default() }
    }

    /// Boxes 10 wide, each half over the one before.
    fn chain() -> [RawBox; 3] {
        [0.0, 5.0, 10.0].map(|x| raw(0, 0.9 - x as f32 / 100.0, [x, 0.0, x + 10.0, 10.0]))
    }

    #[test]
    fn a_greedy_group_is_what_matches_the_best_box() {
        let kept = merge(&chain(), &options(Merge::GreedyNmm, MatchMetric::Ios));
        let edges: Vec<_> = kept.iter().map(|kept| kept.grown.edges).collect();
        assert_eq!(edges, [[0.0, 0.0, 15.0, 10.0], [10.0, 0.0, 20.0, 10.0]]);
    }

    #[test]
    fn a_transitive_group_goes_on_from_member_to_member() {
        let kept = merge(&chain(), &options(Merge::Nmm, MatchMetric::Ios));
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].grown, raw(0, 0.9, [0.0, 0.0, 20.0, 10.0]));
    }

    #[test]
    fn suppression_keeps_boxes_as_they_are() {
        let kept = merge(&chain(), &options(Merge::Nms, MatchMetric::Ios));
        let edges: Vec<_> = kept.iter().map(|kept| kept.grown.edges).collect();
        assert_eq!(edges, [chain()[0].edges, chain()[2].edges]);
    }

    #[test]
    fn a_small_box_inside_matches_by_the_smaller_area_only() {
        let pair = [raw(0, 0.9, [0.0, 0.0, 40.0, 40.0]), raw(0, 0.8, [5.0, 5.0, 15.0, 15.0])];
        assert_eq!(merge(&pair, &options(Merge::GreedyNmm, MatchMetric::Ios)).len(), 1);
        assert_eq!(merge(&pair, &options(Merge::GreedyNmm, MatchMetric::Iou)).len(), 2);
    }

    #[test]
    fn classes_merge_only_when_told_to() {
        let place = [0.0, 0.0, 10.0, 10.0];
        let pair = [raw(0, 0.7, place), raw(1, 0.8, place)];
        assert_eq!(merge(&pair, &TilingOptions::default()).len(), 2);
        let kept = merge(&pair, &TilingOptions { class_agnostic: true, ..TilingOptions::default() });
        assert_eq!(kept, [Kept { index: 1, grown: raw(1, 0.8, place) }]);
    }

    prop_compose! {
        fn any_box()(class_id in 0..3_u32, score in 0.0..1.0_f32, x in 0.0..90.0_f64, y in 0.0..90.0_f64, w in 0.1..30.0_f64, h in 0.1..30.0_f64) -> RawBox {
            raw(class_id, score, [x, y, x + w, y + h])
        }
    }

    proptest! {
        #[test]
        fn what_stays_covers_its_own_box_and_no_class_is_lost(
            all in prop::collection::vec(any_box(), 0..60),
            postprocess in prop::sample::select(vec![Merge::GreedyNmm, Merge::Nmm, Merge::Nms]),
            metric in prop::sample::select(vec![MatchMetric::Ios, MatchMetric::Iou]),
        ) {
            let kept = merge(&all, &options(postprocess, metric));
            for one in &kept {
                let (own, grown) = (all[one.index], one.grown);
                prop_assert!(grown.edges[0] <= own.edges[0] && grown.edges[1] <= own.edges[1]);
                prop_assert!(grown.edges[2] >= own.edges[2] && grown.edges[3] >= own.edges[3]);
                prop_assert_eq!(grown.score, own.score);
            }
            for class in 0..3 {
                let best = all.iter().filter(|one| one.class_id == class).map(|one| one.score).fold(f32::MIN, f32::max);
                let best_kept = kept.iter().filter(|one| one.grown.class_id == class).map(|one| one.grown.score).fold(f32::MIN, f32::max);
                prop_assert_eq!(best, best_kept);
            }
        }
    }
}
