//! Preprocessing against the reference: the letterbox numbers and the tensor that entered the model, for every case.
#![allow(clippy::unwrap_used)]

mod support;

use std::{fs, path::PathBuf};

use ortolan_media::{DecodeLimits, decode_image};
use ortolan_vision::{Framing, ImageSize, RgbImage, TensorData, VisionOptions};
use serde_json::Value;

/// Rounded to six places in the reference files, summed in another order.
const MEAN_TOLERANCE: f64 = 2e-6;
/// The v5 references carry the means of the float16 model's input, though their own model takes float32.
const V5_MEAN_TOLERANCE: f64 = 1e-4;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// The reference files that hold cases of one model and one picture.
fn references() -> Vec<Value> {
    let entries = fs::read_dir(fixtures().join("reference")).unwrap();
    let files =
        entries.map(|entry| serde_json::from_slice::<Value>(&fs::read(entry.unwrap().path()).unwrap()).unwrap());
    files.filter(|reference| reference.get("cases").is_some() && reference.get("image").is_some()).collect()
}

#[test]
fn every_case_enters_its_model_as_the_reference_did() {
    let mut cases = 0;
    for reference in references() {
        let name = reference["image"].as_str().unwrap();
        let bytes = fs::read(fixtures().join("images").join(name)).unwrap();
        let image = decode_image(&bytes, &DecodeLimits::default()).unwrap();
        for case in reference["cases"].as_array().unwrap() {
            check(&reference, case, &image);
            cases += 1;
        }
    }
    assert!(cases >= 290, "{cases} cases");
}

fn check(reference: &Value, case: &Value, image: &RgbImage) {
    let what = format!("{} {} {}", reference["model"], reference["image"], case["settings"]);
    let profile = support::profile(reference["model"].as_str().unwrap());
    let prepared = profile.prepare(image, &options(&case["settings"])).unwrap();
    let dims: Vec<_> = case["input_tensor"]["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    assert_eq!(prepared.tensor.dims.map(|n| n as u64)[..], dims, "{what}");
    let values: Vec<f32> = match &prepared.tensor.data {
        TensorData::F32(values) => values.clone(),
        TensorData::F16(values) => values.iter().map(|value| value.to_f32()).collect(),
    };
    let tolerance = if what.contains("_v5_") { V5_MEAN_TOLERANCE } else { MEAN_TOLERANCE };
    for (plane, mean) in values.chunks(values.len() / 3).zip(case["input_tensor"]["channel_means"].as_array().unwrap())
    {
        let found = plane.iter().map(|&value| f64::from(value)).sum::<f64>() / plane.len() as f64;
        assert!((found - mean.as_f64().unwrap()).abs() < tolerance, "{what}: mean {found}, reference {mean}");
    }
    if let (Some(expected), Framing::Letterbox(letterbox)) = (case.get("letterbox"), prepared.framing) {
        assert_eq!(expected["resized_wh"][0], letterbox.resized.width, "{what}");
        assert_eq!(expected["resized_wh"][1], letterbox.resized.height, "{what}");
        assert_eq!(expected["pad_left"], letterbox.pad_left, "{what}");
        assert_eq!(expected["pad_top"], letterbox.pad_top, "{what}");
        let (gain_x, gain_y) = letterbox.gains();
        assert!((expected["gain_x"].as_f64().unwrap() - gain_x).abs() < 1e-12, "{what}");
        assert!((expected["gain_y"].as_f64().unwrap() - gain_y).abs() < 1e-12, "{what}");
    }
}

fn options(settings: &Value) -> VisionOptions {
    VisionOptions {
        image_size: settings.get("imgsz").map(|size| serde_json::from_value::<ImageSize>(size.clone()).unwrap()),
        rectangular: settings["rect"].as_bool().unwrap_or(true),
        ..VisionOptions::default()
    }
}
