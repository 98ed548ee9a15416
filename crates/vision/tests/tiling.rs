//! Tiles and their merging, compared with what the reference program cut and merged.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use ortolan_vision::{BoundingBox, Detection, Gatherer, Size, TilingOptions, VisionOutput};
use serde_json::Value;

/// Every tiled reference.
fn references() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/reference");
    let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("sahi__")).collect();
    names.sort();
    let read =
        |name: String| (name.clone(), serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap());
    names.into_iter().map(read).collect()
}

fn tiling(settings: &Value) -> TilingOptions {
    let pixels = |key: &str| settings[key].as_u64().unwrap() as u32;
    TilingOptions {
        slice_height: pixels("slice_height"),
        slice_width: pixels("slice_width"),
        overlap_ratio: settings["overlap_height_ratio"].as_f64().unwrap(),
        full_image: settings["perform_standard_pred"].as_bool().unwrap(),
        ..TilingOptions::default()
    }
}

fn rows(list: &Value) -> Vec<[f64; 6]> {
    let row = |row: &Value| std::array::from_fn(|column| row[column].as_f64().unwrap());
    list.as_array().unwrap().iter().map(row).collect()
}

fn detection([left, top, right, bottom, score, class]: [f64; 6]) -> Detection {
    let bounding_box =
        BoundingBox { x: left as f32, y: top as f32, width: (right - left) as f32, height: (bottom - top) as f32 };
    Detection { class_id: class as u32, label: class.to_string(), confidence: score as f32, bounding_box }
}

fn sorted(mut rows: Vec<[f64; 6]>) -> Vec<[f64; 6]> {
    let key = |row: &[f64; 6]| [row[5], (-row[4] * 1e5).round(), row[0].round(), row[1].round()];
    rows.sort_by(|a, b| {
        key(a).iter().zip(&key(b)).map(|(a, b)| a.total_cmp(b)).find(|o| o.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    });
    rows
}

#[test]
fn tiles_lie_where_the_reference_cuts() {
    let references = references();
    assert_eq!(references.len(), 38);
    for (name, reference) in references {
        let side = |key: &str| reference["original_size"][key].as_u64().unwrap() as u32;
        let size = Size { width: side("width"), height: side("height") };
        let tiles = tiling(&reference["settings"]).tiles(size).unwrap();
        let found: Vec<_> = tiles.iter().map(|t| [t.left, t.top, t.left + t.width, t.top + t.height]).collect();
        assert_eq!(serde_json::to_value(found).unwrap(), reference["slices"], "{name}");
    }
}

#[test]
fn boxes_merge_as_in_the_reference() {
    let (mut variants, mut worst) = (0, 0.0_f64);
    for (name, reference) in references() {
        let raw = VisionOutput::Detections(rows(&reference["raw"]).into_iter().map(detection).collect());
        for variant in reference["results"].as_array().unwrap() {
            let options = TilingOptions {
                postprocess: serde_json::from_value(variant["postprocess_type"].clone()).unwrap(),
                match_metric: serde_json::from_value(variant["match_metric"].clone()).unwrap(),
                match_threshold: variant["match_threshold"].as_f64().unwrap(),
                class_agnostic: variant["class_agnostic"].as_bool().unwrap(),
                ..tiling(&reference["settings"])
            };
            let mut gathered = Gatherer::new(options);
            gathered.add(raw.clone(), (0, 0)).unwrap();
            let VisionOutput::Detections(merged) = gathered.finish() else { panic!("other kinds") };
            assert!(merged.is_sorted_by(|a, b| a.confidence >= b.confidence), "{name}: best first");
            let row = |one: &Detection| {
                let b = one.bounding_box;
                [b.x, b.y, b.x + b.width, b.y + b.height, one.confidence, one.class_id as f32].map(f64::from)
            };
            let (found, wanted) = (sorted(merged.iter().map(row).collect()), sorted(rows(&variant["boxes"])));
            assert_eq!(found.len(), wanted.len(), "{name} {options:?}");
            for (number, wanted) in found.iter().flatten().zip(wanted.iter().flatten()) {
                worst = worst.max((number - wanted).abs());
            }
            variants += 1;
        }
    }
    assert_eq!(variants, 600);
    assert!(worst <= 0.001, "the largest difference is {worst}");
}
