//! Puts together what the branches of a group found.

use std::collections::HashSet;
use std::sync::Arc;

use super::findings::{Findings, FoundObject, FoundSegment};

/// What all `branches` found, each of which began with `input`: everything of the input stays (objects as the first branch
/// that changed them left them), then comes what is new, branch by branch. Segments of later branches get new numbers, so
/// that each number means one segment. Of two results of one name the later branch's counts.
pub fn merge(input: &Findings, branches: Vec<Findings>) -> Findings {
    let mut merged = input.clone();
    let known_objects: HashSet<u64> = input.objects.iter().map(|object| object.key).collect();
    let known_classes: HashSet<u64> = input.classes.iter().map(|classes| classes.key).collect();
    let first_new_segment = input.next_segment_idx();
    for branch in branches {
        let offset = merged.next_segment_idx() - first_new_segment;
        take_changes(&mut merged.objects, input, &branch);
        let is_new = |segment: &&Arc<FoundSegment>| segment.segment_idx >= first_new_segment;
        merged.segments.extend(branch.segments.iter().filter(is_new).map(|segment| renumber(segment, offset)));
        let new = branch.objects.iter().filter(|object| !known_objects.contains(&object.key));
        merged.objects.extend(new.map(|object| follow(object, first_new_segment, offset)));
        merged.classes.extend(branch.classes.into_iter().filter(|classes| !known_classes.contains(&classes.key)));
        let changed = branch.results.into_iter().filter(|(name, value)| input.results.get(name) != Some(value));
        merged.results.extend(changed);
        if branch.processed != input.processed {
            merged.processed = branch.processed;
        }
        merged.uploads.extend(branch.uploads.into_iter().skip(input.uploads.len()));
    }
    merged
}

/// Takes over what a branch changed of the input's objects, unless an earlier branch changed them too.
fn take_changes(merged: &mut [Arc<FoundObject>], input: &Findings, branch: &Findings) {
    for (mine, original) in merged.iter_mut().zip(&input.objects) {
        let theirs = branch.objects.iter().find(|object| object.key == original.key);
        if let Some(theirs) = theirs
            && Arc::ptr_eq(mine, original)
            && !Arc::ptr_eq(theirs, original)
        {
            *mine = Arc::clone(theirs);
        }
    }
}

fn renumber(segment: &Arc<FoundSegment>, offset: u32) -> Arc<FoundSegment> {
    if offset == 0 {
        return Arc::clone(segment);
    }
    Arc::new(FoundSegment { segment_idx: segment.segment_idx + offset, segment: segment.segment.clone() })
}

fn follow(object: &Arc<FoundObject>, first_new_segment: u32, offset: u32) -> Arc<FoundObject> {
    match object.source_segment_idx {
        Some(segment_idx) if offset > 0 && segment_idx >= first_new_segment => {
            let source_segment_idx = Some(segment_idx + offset);
            Arc::new(FoundObject { source_segment_idx, ..FoundObject::clone(object) })
        }
        _ => Arc::clone(object),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::findings::ObjectSize;
    use super::super::think::tests::{object, segment};
    use super::*;

    fn keys(findings: &Findings) -> Vec<u64> {
        findings.objects.iter().map(|object| object.key).collect()
    }

    #[test]
    fn new_objects_are_concatenated_and_old_ones_stay_once() {
        let mut input = Findings::default();
        input.add_objects(vec![object(1, 0.9, [0.0, 0.0, 1.0, 1.0])]);
        let (mut a, mut b) = (input.clone(), input.clone());
        a.add_objects(vec![object(2, 0.1, [0.0; 4]), object(3, 0.2, [0.0; 4])]);
        b.add_objects(vec![object(4, 0.9, [0.0; 4])]);
        a.results.insert("a".into(), json!(1));
        b.results.insert("b".into(), json!(2));
        let merged = merge(&input, vec![a, b]);
        assert_eq!(keys(&merged), [1, 3, 2, 4]);
        assert_eq!(merged.results, [("a".to_owned(), json!(1)), ("b".to_owned(), json!(2))].into());
    }

    #[test]
    fn a_branch_may_change_an_object_of_the_input_and_the_segments_stay() {
        let mut input = Findings::default();
        input.add_segments(vec![segment("leaf", 4)]);
        input.add_objects(vec![object(1, 0.9, [0.0; 4]), object(2, 0.8, [0.0; 4])]);
        let mut a = input.clone();
        a.objects[1] = Arc::new(FoundObject { size: Some(ObjectSize::XL), ..object(2, 0.8, [0.0; 4]) });
        a.segments.clear();
        let merged = merge(&input, vec![a, input.clone()]);
        assert_eq!(merged.objects[1].size, Some(ObjectSize::XL));
        assert_eq!((keys(&merged), merged.segments.len()), (vec![1, 2], 1));
    }

    #[test]
    fn a_later_branchs_drawing_counts_and_without_one_the_inputs_stays() {
        let input = Findings { processed: Some(1), ..Findings::default() };
        let drawn = |number| Findings { processed: Some(number), ..input.clone() };
        assert_eq!(merge(&input, vec![drawn(2), drawn(3), input.clone()]).processed, Some(3));
        assert_eq!(merge(&input, vec![input.clone()]).processed, Some(1));
    }

    #[test]
    fn numbers_of_segments_stay_unique_and_objects_follow_theirs() {
        let input = Findings::default();
        let branch = |key| {
            let mut branch = input.clone();
            branch.add_segments(vec![segment("leaf", 4), segment("leaf", 9)]);
            branch.add_objects(vec![FoundObject { source_segment_idx: Some(1), ..object(key, 0.5, [0.0; 4]) }]);
            branch
        };
        let merged = merge(&input, vec![branch(1), branch(2)]);
        let numbers: Vec<_> = merged.segments.iter().map(|segment| segment.segment_idx).collect();
        assert_eq!(numbers, [0, 1, 2, 3]);
        let sources: Vec<_> = merged.objects.iter().map(|object| object.source_segment_idx).collect();
        assert_eq!(sources, [Some(1), Some(3)]);
    }
}
