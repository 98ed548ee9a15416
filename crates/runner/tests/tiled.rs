//! Pictures looked at in parts: tiles give what the reference program gives, and parts give what they give alone.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::sync::Arc;

use ortolan_domain::Slot;
use ortolan_runner::{Area, CallContext, MAX_CROPS, RunnerError, RunnerPool, VisionAnswer, VisionRequest};
use ortolan_vision::{Detection, ImageSize, PixelRegion, TilingOptions, VisionOptions, VisionOutput};
use serde_json::Value;
use support::*;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

async fn look(
    pool: &RunnerPool,
    name: &str,
    model: &Arc<Source>,
    picture: &str,
    options: VisionOptions,
    area: Area,
    context: CallContext,
) -> Result<VisionAnswer, RunnerError> {
    let key = key(name, Slot::Detect);
    let request = VisionRequest { slot: Slot::Detect, options, area };
    let call = pool.vision(&key, Arc::clone(model) as _, request, fixture(&format!("images/{picture}")), context);
    tokio::time::timeout(LONG, call).await.expect("the call hangs").map(|(answer, _)| answer)
}

fn detections(answer: VisionAnswer) -> Vec<Detection> {
    match answer.output {
        VisionOutput::Detections(found) => found,
        other => panic!("{other:?}"),
    }
}

fn references() -> Vec<(String, Value)> {
    let names = std::fs::read_dir(fixtures().join("reference")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("sahi__")).collect();
    names.sort();
    let read = |name: String| (name.clone(), serde_json::from_slice(&fixture(&format!("reference/{name}"))).unwrap());
    names.into_iter().map(read).collect()
}

fn tiling(settings: &Value, variant: &Value) -> TilingOptions {
    let pixels = |key: &str| settings[key].as_u64().unwrap() as u32;
    TilingOptions {
        slice_height: pixels("slice_height"),
        slice_width: pixels("slice_width"),
        overlap_ratio: settings["overlap_height_ratio"].as_f64().unwrap(),
        full_image: settings["perform_standard_pred"].as_bool().unwrap(),
        postprocess: serde_json::from_value(variant["postprocess_type"].clone()).unwrap(),
        match_metric: serde_json::from_value(variant["match_metric"].clone()).unwrap(),
        match_threshold: variant["match_threshold"].as_f64().unwrap(),
        class_agnostic: variant["class_agnostic"].as_bool().unwrap(),
        ..TilingOptions::default()
    }
}

/// True when every wanted box has a twin of its own among those found.
fn is_same_set(found: &[Detection], wanted: &Value) -> bool {
    let wanted = wanted.as_array().unwrap();
    let mut left: Vec<&Detection> = found.iter().collect();
    let is_twin = |one: &Detection, row: &Value| {
        let b = one.bounding_box;
        let numbers = [b.x, b.y, b.x + b.width, b.y + b.height].map(f64::from);
        let near = |(number, wanted): (f64, &Value)| (number - wanted.as_f64().unwrap()).abs() <= 0.05;
        numbers.into_iter().zip(row.as_array().unwrap()).all(near)
            && (f64::from(one.confidence) - row[4].as_f64().unwrap()).abs() <= 0.0002
            && f64::from(one.class_id) == row[5].as_f64().unwrap()
    };
    found.len() == wanted.len()
        && wanted.iter().all(|row| {
            let twin = left.iter().position(|one| is_twin(one, row));
            twin.map(|twin| left.swap_remove(twin)).is_some()
        })
}

#[tokio::test(flavor = "multi_thread")]
async fn tiled_detection_equals_the_reference() {
    let pool = pool().await;
    let mut models = HashMap::new();
    let references = references();
    assert_eq!(references.len(), 38);
    for (number, (name, reference)) in references.iter().enumerate() {
        let model = reference["model"].as_str().unwrap();
        let source = models.entry(model).or_insert_with(|| Source::of(&format!("models/{model}")));
        let settings = &reference["settings"];
        let options = VisionOptions {
            confidence_threshold: settings["confidence_threshold"].as_f64().unwrap() as f32,
            iou_threshold: settings["iou"].as_f64().unwrap() as f32,
            image_size: Some(ImageSize::Square(settings["imgsz"].as_u64().unwrap() as u32)),
            ..VisionOptions::default()
        };
        let variants = reference["results"].as_array().unwrap();
        // The merging alone is compared for all variants elsewhere; here each file takes its turn with another one.
        let variant = &variants[number % variants.len()];
        let area = Area::Tiles(tiling(settings, variant));
        let tenant = model.trim_end_matches(".onnx");
        let picture = reference["image"].as_str().unwrap();
        let answer = look(&pool, tenant, source, picture, options, area, CallContext::default()).await.unwrap();
        assert!(is_same_set(&detections(answer), &variant["boxes"]), "{name} {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_far_a_call_is_is_told_on_the_way() {
    let pool = pool().await;
    let source = Source::of("models/shapes_det_dyn.onnx");
    let (progress, mut heard) = watch::channel(0.0);
    let options = VisionOptions { image_size: Some(ImageSize::Square(320)), ..VisionOptions::default() };
    let area = Area::Tiles(TilingOptions { slice_height: 160, slice_width: 160, ..TilingOptions::default() });
    let context = CallContext::default().with_progress(progress);
    let told = tokio::spawn(async move {
        let mut shares = Vec::new();
        while heard.changed().await.is_ok() {
            shares.push(*heard.borrow_and_update());
        }
        shares
    });
    look(&pool, "a", &source, "shapes_big.jpg", options, area, context).await.unwrap();
    let shares = told.await.unwrap();
    assert!(!shares.is_empty() && shares.is_sorted(), "{shares:?}");
    assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)), "{shares:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tiles_stop_when_the_call_is_cancelled() {
    let pool = pool().await;
    let source = Source::of("models/shapes_det_160.onnx");
    let cancel = CancellationToken::new();
    let (progress, mut heard) = watch::channel(0.0);
    let area = Area::Tiles(TilingOptions { slice_height: 64, slice_width: 64, ..TilingOptions::default() });
    let context = CallContext::cancelled_by(cancel.clone()).with_progress(progress);
    let stopping = tokio::spawn(async move {
        heard.changed().await.unwrap();
        cancel.cancel();
    });
    let answer = look(&pool, "a", &source, "shapes_big.jpg", VisionOptions::default(), area, context).await;
    assert_eq!(answer, Err(RunnerError::Cancelled));
    stopping.await.unwrap();
    // The same runner goes on.
    let again =
        look(&pool, "a", &source, "shapes_b.jpg", VisionOptions::default(), Area::Whole, CallContext::default());
    assert!(!again.await.unwrap().output.is_empty());
    assert_eq!(pool.deaths(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_make_no_sense_are_refused() {
    let pool = pool().await;
    let source = Source::of("models/shapes_det_160.onnx");
    let good = TilingOptions::default();
    let cases = [
        (Area::Tiles(TilingOptions { slice_width: 0, ..good }), "slice_height and slice_width"),
        (Area::Tiles(TilingOptions { overlap_ratio: 1.0, ..good }), "overlap_ratio"),
        (Area::Tiles(TilingOptions { match_threshold: 2.0, ..good }), "match_threshold"),
        (Area::Tiles(TilingOptions { slice_width: 8, slice_height: 8, ..good }), "tiles, at most 10000"),
        (Area::Crops(vec![PixelRegion { left: 0, top: 0, width: 1, height: 1 }; MAX_CROPS + 1]), "parts of a picture"),
    ];
    for (area, words) in cases {
        let answer =
            look(&pool, "a", &source, "shapes_big.jpg", VisionOptions::default(), area, CallContext::default());
        let Err(RunnerError::BadInput(text)) = answer.await else { panic!("{words}: it was taken") };
        assert!(text.contains(words), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_a_picture_give_boxes_in_its_own_pixels() {
    let pool = pool().await;
    let source = Source::of("models/shapes_det_160.onnx");
    let crop = |left, top, width, height| PixelRegion { left, top, width, height };
    let crops = vec![crop(0, 0, 320, 480), crop(9_000, 0, 10, 10), crop(300, 100, 400, 400)];
    let area = Area::Crops(crops.clone());
    let answer =
        look(&pool, "a", &source, "shapes_b_decoded.png", VisionOptions::default(), area, CallContext::default());
    let answer = answer.await.unwrap();
    let crop_of = answer.crop_of.clone();
    assert!(crop_of.contains(&0) && crop_of.contains(&2) && !crop_of.contains(&1), "{crop_of:?}");
    let found = detections(answer);
    assert_eq!(found.len(), crop_of.len());
    for (one, crop) in found.iter().zip(&crop_of) {
        let (b, crop) = (one.bounding_box, crops[*crop as usize]);
        assert!(b.x >= crop.left as f32 && b.x + b.width <= (crop.left + crop.width).min(640) as f32 + 0.01, "{one:?}");
        assert!(b.y >= crop.top as f32 && b.y + b.height <= (crop.top + crop.height).min(480) as f32 + 0.01, "{one:?}");
    }
}
