//! What a runner answers for the fixtures' models and pictures is what the reference implementations answer.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::sync::Arc;

use ortolan_domain::Slot;
use ortolan_runner::RunnerPool;
use ortolan_vision::{
    ClassRef, ImageSize, MaskRle, MaskSize, OrientedDetection, PoseDetection, VisionOptions, VisionOutput,
};
use serde_json::Value;
use support::*;

const SCORE: f64 = 0.0002;

/// Models by name, so that each is loaded once.
type Models = HashMap<String, Arc<Source>>;

fn references(model_prefix: &str) -> Vec<Value> {
    let entries = std::fs::read_dir(fixtures().join("reference")).unwrap().map(|entry| entry.unwrap());
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let files = paths.iter().map(|path| serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap());
    let of_model = |reference: &Value| reference["model"].as_str().is_some_and(|model| model.starts_with(model_prefix));
    let found: Vec<_> = files.filter(|reference| reference.get("cases").is_some() && of_model(reference)).collect();
    assert!(!found.is_empty(), "no reference for {model_prefix}");
    found
}

fn options(settings: &Value) -> VisionOptions {
    let number = |key: &str, default: f64| settings[key].as_f64().unwrap_or(default);
    let side = |side: &Value| side.as_u64().unwrap() as u32;
    let image_size = match &settings["imgsz"] {
        Value::Null => None,
        Value::Array(sides) => Some(ImageSize::HeightWidth([side(&sides[0]), side(&sides[1])])),
        square => Some(ImageSize::Square(side(square))),
    };
    let classes = settings["classes"].as_array().into_iter().flatten();
    VisionOptions {
        confidence_threshold: number("conf", 0.25) as f32,
        iou_threshold: number("iou", 0.7) as f32,
        classes: classes.map(|id| ClassRef::Id(id.as_u64().unwrap() as u32)).collect(),
        max_detections: number("max_det", 300.0) as usize,
        class_agnostic: settings["agnostic_nms"].as_bool().unwrap_or(false),
        image_size,
        top_k: None,
        mask_size: if settings["retina_masks"] == true { MaskSize::Original } else { MaskSize::Input },
        rectangular: settings["rect"].as_bool().unwrap_or(true),
    }
}

fn slot_of(reference: &Value) -> Slot {
    match reference["task"].as_str().unwrap() {
        "segment" => Slot::Segment,
        "classify" => Slot::Classify,
        _ => Slot::Detect,
    }
}

/// Compares every case of every picture of the models whose names begin so; says how many cases there were.
async fn compare(model_prefix: &str) -> usize {
    let pool = pool().await;
    let (mut models, mut cases) = (Models::new(), 0);
    for reference in references(model_prefix) {
        cases += compare_picture(&pool, &mut models, &reference).await;
    }
    cases
}

async fn compare_picture(pool: &RunnerPool, models: &mut Models, reference: &Value) -> usize {
    let (model, image) = (reference["model"].as_str().unwrap(), reference["image"].as_str().unwrap());
    let folder = if model.starts_with("layout_") { "models/layouts" } else { "models" };
    let source = models.entry(model.to_owned()).or_insert_with(|| Source::of(&format!("{folder}/{model}")));
    let picture = fixture(&format!("images/{image}"));
    let cases = reference["cases"].as_array().unwrap();
    for case in cases {
        let what = format!("{model} {image} {}", case["settings"]);
        // One tenant for each model, as one slot holds one model.
        let place = key(&model.trim_end_matches(".onnx").replace('.', "-"), slot_of(reference));
        let answer = see(pool, &place, Arc::clone(source), options(&case["settings"]), picture.clone()).await;
        let answer = answer.unwrap_or_else(|error| panic!("{what}: {error}"));
        let size = &reference["original_size"];
        assert_eq!(
            (Value::from(answer.width), Value::from(answer.height)),
            (size["width"].clone(), size["height"].clone())
        );
        compare_case(&what, &answer.output, case, if model.contains("fp16") { 0.5 } else { 0.05 });
    }
    cases.len()
}

/// One object in the terms of a reference file.
struct Found<'a> {
    class_id: u32,
    confidence: f32,
    /// Left, top, right, bottom; absent for turned boxes.
    edges: Option<[f32; 4]>,
    mask: Option<&'a MaskRle>,
    points: Vec<[f32; 2]>,
}

fn compare_case(what: &str, output: &VisionOutput, case: &Value, pixels: f64) {
    if let VisionOutput::Classification(answer) = output {
        let wanted = case["probs"].as_array().unwrap();
        assert_eq!(answer.predictions.len(), wanted.len(), "{what}");
        for prediction in &answer.predictions {
            let class = wanted.iter().find(|class| class["class_id"] == prediction.class_id).unwrap();
            near(what, prediction.confidence, &class["prob"], SCORE);
            assert_eq!(class["class_name"], *prediction.label);
        }
        assert_eq!(case["top1"], answer.predictions[0].class_id, "{what}");
        return;
    }
    let found = found(output);
    let wanted = case["detections"].as_array().unwrap();
    assert_eq!(found.len(), wanted.len(), "{what}: number of objects");
    for (found, wanted) in found.iter().zip(wanted) {
        assert_eq!(wanted["class_id"], found.class_id, "{what}");
        near(what, found.confidence, &wanted["score"], SCORE);
        if let Some(edges) = found.edges {
            for (edge, name) in edges.into_iter().zip(["x1", "y1", "x2", "y2"]) {
                near(what, edge, &wanted[name], pixels);
            }
        }
        let points = wanted.get("keypoints").or(wanted.get("corners")).and_then(Value::as_array);
        for (point, wanted) in found.points.iter().zip(points.into_iter().flatten()) {
            near(what, point[0], &wanted[0], pixels);
            near(what, point[1], &wanted[1], pixels);
        }
        assert_eq!(found.points.len(), points.map_or(0, Vec::len), "{what}");
        assert_eq!(found.mask.is_some(), wanted.get("mask").is_some(), "{what}");
        if let Some(mask) = found.mask {
            compare_masks(what, mask, &wanted["mask"]);
        }
    }
}

fn found(output: &VisionOutput) -> Vec<Found<'_>> {
    let edges = |b: &ortolan_vision::BoundingBox| Some([b.x, b.y, b.x + b.width, b.y + b.height]);
    let plain = |class_id, confidence, edges| Found { class_id, confidence, edges, mask: None, points: vec![] };
    match output {
        VisionOutput::Detections(all) => {
            all.iter().map(|one| plain(one.class_id, one.confidence, edges(&one.bounding_box))).collect()
        }
        VisionOutput::Segments(all) => all
            .iter()
            .map(|one| Found {
                mask: Some(&one.mask_rle),
                ..plain(one.class_id, one.confidence, edges(&one.bounding_box))
            })
            .collect(),
        VisionOutput::Oriented(all) => {
            let turned = |one: &OrientedDetection| Found {
                points: one.corners.to_vec(),
                ..plain(one.class_id, one.confidence, None)
            };
            all.iter().map(turned).collect()
        }
        VisionOutput::Poses(all) => {
            let posed = |one: &PoseDetection| Found {
                points: one.keypoints.iter().map(|point| [point.0, point.1]).collect(),
                ..plain(one.class_id, one.confidence, edges(&one.bounding_box))
            };
            all.iter().map(posed).collect()
        }
        VisionOutput::Classification(_) => vec![],
    }
}

fn near(what: &str, got: f32, wanted: &Value, tolerance: f64) {
    let wanted = wanted.as_f64().unwrap();
    assert!((f64::from(got) - wanted).abs() <= tolerance, "{what}: {got} instead of {wanted}");
}

fn compare_masks(what: &str, got: &MaskRle, wanted: &Value) {
    let counts = wanted["counts"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap());
    let size = wanted["size"].as_array().unwrap();
    assert_eq!([size[0].as_u64(), size[1].as_u64()], got.size.map(|side| Some(u64::from(side))), "{what}");
    let (got, wanted) = (ones(got.counts.iter().map(|count| u64::from(*count))), ones(counts));
    let both = overlap(&got, &wanted);
    let (in_got, in_wanted) = (overlap(&got, &got), overlap(&wanted, &wanted));
    let least = if in_wanted > 100 { 0.995 } else { 0.98 };
    let either = in_got + in_wanted - both;
    assert!(both as f64 >= least * either as f64, "{what}: mask IoU {both}/{either}");
}

/// Where the runs of ones begin and end.
fn ones(counts: impl Iterator<Item = u64>) -> Vec<(u64, u64)> {
    let mut at = 0;
    let runs = counts.map(|count| {
        at += count;
        (at - count, at)
    });
    runs.skip(1).step_by(2).collect()
}

/// Pixels that both have.
fn overlap(a: &[(u64, u64)], b: &[(u64, u64)]) -> u64 {
    let (mut i, mut j, mut pixels) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        pixels += a[i].1.min(b[j].1).saturating_sub(a[i].0.max(b[j].0));
        if a[i].1 < b[j].1 { i += 1 } else { j += 1 }
    }
    pixels
}

#[tokio::test(flavor = "multi_thread")]
async fn detection_with_a_fixed_input_equals_the_reference() {
    assert_eq!(compare("shapes_det_160").await, 31);
}

#[tokio::test(flavor = "multi_thread")]
async fn detection_with_a_free_input_equals_the_reference() {
    assert_eq!(compare("shapes_det_dyn").await, 66);
}

#[tokio::test(flavor = "multi_thread")]
async fn segmentation_equals_the_reference() {
    assert_eq!(compare("shapes_seg").await, 96);
}

#[tokio::test(flavor = "multi_thread")]
async fn classification_equals_the_reference() {
    assert_eq!(compare("shapes_cls").await, 22);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_output_layouts_equal_the_reference() {
    assert_eq!(compare("layout_").await, 86);
}
