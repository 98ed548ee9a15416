//! The steps that look at no pixels.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::json;

use super::findings::{Findings, FoundObject, ObjectSize};
use super::step::{FilterType, SegmentFilterSettings};

/// Keeps some of the segments; those that stay keep their numbers and their order.
pub fn filter_segments(findings: &mut Findings, settings: &SegmentFilterSettings) {
    if let Some(classes) = &settings.segment_filter_classes {
        findings.segments.retain(|found| classes.contains(&found.segment.label));
    }
    if settings.segment_filter_type == FilterType::LargestByClass {
        let mut largest: HashMap<String, (u64, u32)> = HashMap::new();
        for found in &findings.segments {
            let (area, number) = (found.segment.area_px, found.segment_idx);
            let best = largest.entry(found.segment.label.clone()).or_insert((area, number));
            // Of two that are equally large the first one stays.
            if area > best.0 {
                *best = (area, number);
            }
        }
        findings
            .segments
            .retain(|found| largest.get(&found.segment.label).is_some_and(|best| best.1 == found.segment_idx));
    }
    findings.results.insert("segments_kept".to_owned(), json!(findings.segments.len()));
}

/// Counts the objects, in all and in each segment.
pub fn aggregate(findings: &mut Findings) {
    let mut by_segment: BTreeMap<u32, u64> = BTreeMap::new();
    for segment in findings.objects.iter().filter_map(|object| object.source_segment_idx) {
        *by_segment.entry(segment).or_default() += 1;
    }
    let counts = [
        ("total_detections", json!(findings.objects.len())),
        ("segments_with_detections", json!(by_segment.len())),
        ("detections_by_segment", json!(by_segment)),
    ];
    findings.results.extend(counts.map(|(name, value)| (name.to_owned(), value)));
}

/// Sorts the objects into sizes by how many standard deviations (of all objects, not of a sample) their area lies from the
/// mean: below -2 S, up to 1 M, up to 2 L, else XL. A lone object, or objects all alike, are M.
pub fn sort_by_size(findings: &mut Findings) {
    let areas: Vec<f64> = findings.objects.iter().map(|object| object.finding.area()).collect();
    let count = areas.len().max(1) as f64;
    let mean = areas.iter().sum::<f64>() / count;
    let deviation = (areas.iter().map(|area| (area - mean).powi(2)).sum::<f64>() / count).sqrt();
    let mut counts: BTreeMap<&str, u64> =
        [ObjectSize::S, ObjectSize::M, ObjectSize::L, ObjectSize::XL].map(|size| (size.as_str(), 0)).into();
    for (object, area) in findings.objects.iter_mut().zip(&areas) {
        // What rounding leaves of equal areas is no difference.
        let z = if deviation > mean * 1e-9 { (area - mean) / deviation } else { 0.0 };
        let size = size_of(z);
        *counts.entry(size.as_str()).or_default() += 1;
        *object = Arc::new(FoundObject { size: Some(size), ..FoundObject::clone(object) });
    }
    findings.results.insert("size_distribution".to_owned(), json!(counts));
}

fn size_of(z: f64) -> ObjectSize {
    match z {
        z if z < -2.0 => ObjectSize::S,
        z if z <= 1.0 => ObjectSize::M,
        z if z <= 2.0 => ObjectSize::L,
        _ => ObjectSize::XL,
    }
}

/// Gives the objects species in turn, in their order.
pub fn give_species(findings: &mut Findings, species: &[String]) {
    let mut counts: BTreeMap<&str, u64> = species.iter().map(|name| (name.as_str(), 0)).collect();
    for (object, name) in findings.objects.iter_mut().zip(species.iter().cycle()) {
        *counts.entry(name).or_default() += 1;
        *object = Arc::new(FoundObject { species: Some(name.clone()), ..FoundObject::clone(object) });
    }
    findings.results.insert("species_distribution".to_owned(), json!(counts));
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::findings::Finding;
    use super::*;
    use crate::artifact::image::{BoundingBox, MaskRle, ObjectDetectionV1, SegmentationV1};

    /// An object of class `x` with x, y, width and height.
    pub(crate) fn object(key: u64, confidence: f64, [x, y, width, height]: [f64; 4]) -> FoundObject {
        let bounding_box = BoundingBox { x, y, width, height };
        let finding =
            ObjectDetectionV1 { label: "x".into(), class_id: Some(0), confidence, bounding_box, frame_number: 0 };
        FoundObject { key, finding: Finding::Upright(finding), source_segment_idx: None, size: None, species: None }
    }

    /// A segment without a mask that claims an area.
    pub(crate) fn segment(label: &str, area_px: u64) -> SegmentationV1 {
        SegmentationV1 {
            label: label.to_owned(),
            class_id: 0,
            confidence: 0.5,
            bounding_box: BoundingBox { x: 0.0, y: 0.0, width: 1.0, height: 1.0 },
            area_px,
            mask_rle: MaskRle { size: [1, 1], counts: vec![1] },
            polygon: Vec::new(),
        }
    }

    fn of_areas(areas: &[f64]) -> Findings {
        let mut findings = Findings::default();
        let objects = areas.iter().enumerate().map(|(key, &area)| object(key as u64, 0.5, [0.0, 0.0, area, 1.0]));
        findings.add_objects(objects.collect());
        findings
    }

    fn sizes(areas: &[f64]) -> Vec<&'static str> {
        let mut findings = of_areas(areas);
        sort_by_size(&mut findings);
        findings.objects.iter().map(|object| object.size.unwrap().as_str()).collect()
    }

    #[test]
    fn segments_are_numbered_from_the_largest() {
        let mut findings = Findings::default();
        findings.add_segments(vec![segment("a", 5), segment("b", 50), segment("a", 20)]);
        let areas: Vec<_> = findings.segments.iter().map(|found| (found.segment_idx, found.segment.area_px)).collect();
        assert_eq!(areas, [(0, 50), (1, 20), (2, 5)]);
    }

    #[test]
    fn the_largest_of_each_class_stays_with_its_number() {
        let mut findings = Findings::default();
        findings.add_segments(vec![segment("a", 5), segment("b", 50), segment("a", 20), segment("c", 1)]);
        let classes = Some(vec!["a".to_owned(), "b".to_owned()]);
        let mut by_class = findings.clone();
        let mut settings =
            SegmentFilterSettings { segment_filter_type: FilterType::LargestByClass, segment_filter_classes: classes };
        filter_segments(&mut findings, &settings);
        assert_eq!(findings.segments.iter().map(|found| found.segment_idx).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(findings.results["segments_kept"], 2);
        settings.segment_filter_type = FilterType::ByClass;
        filter_segments(&mut by_class, &settings);
        assert_eq!(by_class.segments.iter().map(|found| found.segment_idx).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn objects_are_counted_by_segment() {
        let mut findings = of_areas(&[1.0, 2.0, 3.0]);
        for (at, segment) in [(0, 4), (2, 4)] {
            let object = FoundObject { source_segment_idx: Some(segment), ..FoundObject::clone(&findings.objects[at]) };
            findings.objects[at] = Arc::new(object);
        }
        aggregate(&mut findings);
        assert_eq!(findings.results["total_detections"], 3);
        assert_eq!(findings.results["segments_with_detections"], 1);
        assert_eq!(findings.results["detections_by_segment"], json!({"4": 2}));
    }

    #[test]
    fn sizes_follow_the_distance_from_the_mean() {
        assert_eq!(sizes(&[7.0]), ["M"]);
        assert_eq!(sizes(&[7.0, 7.0, 7.0]), ["M", "M", "M"]);
        assert_eq!(sizes(&[0.1 + 0.2, 0.3, 0.3]), ["M", "M", "M"]);
        // Mean 10: z of 20 is 3 among ten others that are 9 each.
        let mut areas = vec![9.0; 10];
        areas.push(20.0);
        assert_eq!(sizes(&areas)[10], "XL");
        let mut areas = vec![10.0; 10];
        areas.push(0.0);
        assert_eq!(sizes(&areas)[10], "S");
        // Mean 5, deviation 3: z of 9 is 4/3.
        assert_eq!(sizes(&[9.0, 5.0, 1.0]), ["L", "M", "M"]);
        assert_eq!(sizes(&[]), Vec::<&str>::new());
    }

    #[test]
    fn species_go_round() {
        let mut findings = of_areas(&[1.0, 2.0, 3.0]);
        give_species(&mut findings, &["oak".to_owned(), "elm".to_owned()]);
        let given: Vec<_> = findings.objects.iter().map(|object| object.species.as_deref().unwrap()).collect();
        assert_eq!(given, ["oak", "elm", "oak"]);
        assert_eq!(findings.results["species_distribution"], json!({"elm": 1, "oak": 2}));
    }
}
