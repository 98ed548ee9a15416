//! What a task found, drawn into its picture: over HTTP, and by the command line.

use std::process::Command;

use image::RgbImage;
use ortolan_testkit::{Tenant, fixtures};
use reqwest::Method;
use serde_json::{Value, json};

use crate::main_job::{number, run};
use crate::{server, tenant_with_detector};

async fn fetch(tenant: &Tenant, path: &str) -> (String, Vec<u8>) {
    let answer = tenant.request(Method::GET, path).send().await.unwrap().error_for_status().unwrap();
    let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (content_type, answer.bytes().await.unwrap().to_vec())
}

fn pixels(file: &[u8]) -> RgbImage {
    image::load_from_memory(file).unwrap().into_rgb8()
}

/// The middles of the four edges of a box, as far as they lie in the picture.
fn edges(payload: &Value, picture: &RgbImage) -> Vec<(u32, u32)> {
    let bounds = &payload["bounding_box"];
    let [x, y, width, height] = ["x", "y", "width", "height"].map(|name| number(&bounds[name]));
    let (right, bottom) = ((x + width).round() - 1.0, (y + height).round() - 1.0);
    let (middle_x, middle_y) = (x + width / 2.0, y + height / 2.0);
    let edges = [(x.round(), middle_y), (right, middle_y), (middle_x, y.round()), (middle_x, bottom)];
    let inside = |(x, y): &(f64, f64)| *x < f64::from(picture.width()) && *y < f64::from(picture.height());
    edges.into_iter().filter(inside).map(|(x, y)| (x as u32, y as u32)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pixels_under_the_boxes_differ_and_the_others_do_not() {
    let server = server().await;
    let tenant = tenant_with_detector(&server, "acme").await;
    let config = json!({"confidence_threshold": 0.25});
    let (done, artifacts) = run(&tenant, "object_detection", "shapes_b.jpg", config).await;
    assert!(!artifacts.is_empty());
    let path = format!("/tasks/{}/annotated", done["task_id"].as_str().unwrap());
    let (content_type, png) = fetch(&tenant, &format!("{path}?format=png")).await;
    assert_eq!(content_type, "image/png");
    // Decoded as the runner decodes it, to the last bit.
    let (before, after) = (pixels(&fixtures::read("images/shapes_b_decoded.png")), pixels(&png));
    assert_eq!(before.dimensions(), after.dimensions());
    for artifact in &artifacts {
        for (x, y) in edges(&artifact["payload"], &before) {
            assert_ne!(before.get_pixel(x, y), after.get_pixel(x, y), "{x} {y} of {artifact}");
        }
    }
    let same = before.pixels().zip(after.pixels()).filter(|(a, b)| a == b).count();
    assert!(same > (before.width() * before.height() / 2) as usize, "only {same} pixels stayed as they were");

    let (content_type, jpeg) = fetch(&tenant, &format!("{path}?max_px=200")).await;
    assert_eq!((content_type.as_str(), &jpeg[..3]), ("image/jpeg", &b"\xff\xd8\xff"[..]));

    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("boxes.png");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ortolan"));
    command.args(["tasks", "annotated", done["task_id"].as_str().unwrap(), "--out"]).arg(&out);
    command.env("ORTOLAN_URL", server.url("")).env("ORTOLAN_KEY", &tenant.key);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read(out).unwrap(), png);
}

#[tokio::test(flavor = "multi_thread")]
async fn masks_are_drawn_and_a_changed_picture_is_not() {
    let server = server().await;
    let tenant = tenant_with_detector(&server, "acme").await;
    let model = fixtures::read("models/shapes_seg_160.onnx");
    tenant.put_slot("segment", model).await.unwrap().expect(200).unwrap();
    let (done, artifacts) = run(&tenant, "segmentation", "shapes_a.png", json!({})).await;
    let path = format!("/tasks/{}/annotated", done["task_id"].as_str().unwrap());
    let after = pixels(&fetch(&tenant, &format!("{path}?format=png")).await.1);
    let before = pixels(&fixtures::read("images/shapes_a.png"));
    let mask_px: u64 = artifacts.iter().map(|artifact| artifact["payload"]["area_px"].as_u64().unwrap()).sum();
    let changed = before.pixels().zip(after.pixels()).filter(|(a, b)| a != b).count();
    assert!(changed as u64 > mask_px * 3 / 4, "{changed} changed under {mask_px} of masks");

    let media = done["media_id"].as_str().unwrap();
    tenant.send(tenant.request(Method::DELETE, &format!("/media/{media}"))).await.unwrap().expect(204).unwrap();
    tenant.get(&path).await.unwrap().expect(404).unwrap();
}
