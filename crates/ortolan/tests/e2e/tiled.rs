//! Tiled detection of small objects in a large picture, and how its progress is told.

use std::io::Cursor;

use futures::StreamExt;
use image::{Rgb, RgbImage};
use ortolan_testkit::{Tenant, fixtures};
use serde_json::{Value, json};

use crate::server;

const RADIUS: i64 = 15;
/// Where objects lie: on the borders of tiles of 512 pixels that overlap by a quarter, and inside of two or four tiles.
const PLACES: [(i64, i64); 10] = [
    (384, 384),
    (512, 512),
    (768, 384),
    (896, 896),
    (1088, 688),
    (1280, 512),
    (448, 300),
    (448, 448),
    (832, 760),
    (1180, 790),
];

fn class_of(index: usize) -> &'static str {
    ["circle", "square", "triangle"][index % 3]
}

fn covers(class: &str, dx: i64, dy: i64) -> bool {
    match class {
        "circle" => dx * dx + dy * dy <= RADIUS * RADIUS,
        "square" => dx.abs() <= RADIUS && dy.abs() <= RADIUS,
        _ => dy.abs() <= RADIUS && 2 * dx.abs() <= dy + RADIUS,
    }
}

/// 1600 x 1200 pixels of uneven ground with one object at each place.
fn picture() -> Vec<u8> {
    let mut image = RgbImage::from_fn(1600, 1200, |x, y| {
        let grain = (x * 7919 + y * 104_729).wrapping_mul(2_654_435_761) >> 29;
        Rgb([180 + x / 60, 160 + y / 60, 90].map(|level| (level + grain) as u8))
    });
    let colours = [[110, 70, 150], [40, 160, 145], [240, 240, 240]];
    for (index, (x, y)) in PLACES.into_iter().enumerate() {
        for (dx, dy) in (-RADIUS..=RADIUS).flat_map(|dy| (-RADIUS..=RADIUS).map(move |dx| (dx, dy))) {
            if covers(class_of(index), dx, dy) {
                image.put_pixel((x + dx) as u32, (y + dy) as u32, Rgb(colours[index / 3 % 3]));
            }
        }
    }
    let mut png = Cursor::new(Vec::new());
    image.write_to(&mut png, image::ImageFormat::Png).unwrap();
    png.into_inner()
}

async fn ready(tenant: &Tenant) -> String {
    let model = fixtures::read("models/shapes_det_dyn.onnx");
    tenant.put_slot("detect", model).await.unwrap().expect(200).unwrap();
    tenant.media("large.png", picture()).await.unwrap()
}

async fn run(tenant: &Tenant, task_type: &str, media: &str, config: Value) -> Vec<Value> {
    let task = tenant.submit(task_type, Some(media), config).await.unwrap();
    let done = tenant.wait(&task).await.unwrap();
    assert_eq!((&done["status"], &done["progress"]), (&json!("completed"), &json!(1.0)), "{done}");
    tenant.artifacts(&task).await.unwrap()
}

/// The labels of the boxes that lie around a point.
fn labels_at(artifacts: &[Value], (x, y): (i64, i64)) -> Vec<&str> {
    let inside = |payload: &&Value| {
        let of = |name: &str| payload["bounding_box"][name].as_f64().unwrap();
        let within = |at: i64, from: &str, size: &str| (of(from)..of(from) + of(size)).contains(&(at as f64));
        within(x, "x", "width") && within(y, "y", "height")
    };
    let payloads = artifacts.iter().map(|artifact| &artifact["payload"]);
    payloads.filter(inside).map(|payload| payload["label"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn small_objects_on_the_borders_of_tiles_are_found_once_each() {
    let server = server().await;
    let tenant = server.tenant("acme").await.unwrap();
    let media = ready(&tenant).await;
    let plain = run(&tenant, "object_detection", &media, json!({"image_size": 640})).await;
    assert!(plain.len() < PLACES.len() / 2, "as a whole the picture shows {} of its objects", plain.len());

    let found = run(&tenant, "sahi_detection", &media, json!({"image_size": 512})).await;
    for (index, place) in PLACES.into_iter().enumerate() {
        assert_eq!(labels_at(&found, place), [class_of(index)], "{place:?}");
    }
    assert_eq!(found.len(), PLACES.len());
    let scores: Vec<_> = found.iter().map(|artifact| artifact["payload"]["confidence"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b) && scores.iter().all(|score| *score > 0.8), "{scores:?}");
    assert_eq!(found[0]["artifact_type"], "object.detection");

    let squares = run(&tenant, "sahi_detection", &media, json!({"image_size": 512, "classes": ["square"]})).await;
    assert!(!squares.is_empty() && squares.iter().all(|artifact| artifact["payload"]["label"] == "square"));
    let best = run(&tenant, "sahi_detection", &media, json!({"image_size": 512, "max_detections": 2})).await;
    assert_eq!(best.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_tiled_task_tells_how_far_it_is_and_can_be_cancelled() {
    let server = server().await;
    let tenant = server.tenant("acme").await.unwrap();
    let media = ready(&tenant).await;
    // Thousands of tiles, each enlarged: more than a minute's work.
    let config = json!({"slice_height": 32, "slice_width": 32, "image_size": 640});
    let task = tenant.submit("sahi_detection", Some(&media), config).await.unwrap();
    let events = tenant.request(reqwest::Method::GET, &format!("/tasks/{task}/events")).send().await.unwrap();
    let (mut events, mut text, mut shares) = (events.bytes_stream(), String::new(), Vec::new());
    while shares.len() < 2 {
        text.push_str(&String::from_utf8_lossy(&events.next().await.unwrap().unwrap()));
        let news = text.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
        shares = news.filter_map(|task| task["progress"].as_f64()).collect();
    }
    assert!(shares.is_sorted_by(|a, b| a < b) && shares.iter().all(|share| (0.0..1.0).contains(share)), "{shares:?}");
    assert!(tenant.task(&task).await.unwrap()["progress"].as_f64().unwrap() >= shares[0]);
    tenant.post(&format!("/tasks/{task}/cancel"), json!({})).await.unwrap().expect(200).unwrap();
    assert_eq!(tenant.wait(&task).await.unwrap()["status"], "cancelled");
    // The runner is free again at once.
    run(&tenant, "object_detection", &media, json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_of_more_tiles_than_are_looked_at_fails_with_the_remedy() {
    let server = server().await;
    let tenant = server.tenant("acme").await.unwrap();
    let media = ready(&tenant).await;
    let config = json!({"slice_height": 32, "slice_width": 32, "overlap_ratio": 0.9});
    let task = tenant.submit("sahi_detection", Some(&media), config).await.unwrap();
    let done = tenant.wait(&task).await.unwrap();
    assert_eq!(done["error"]["code"], "invalid_field", "{done}");
    let detail = done["error"]["detail"].as_str().unwrap();
    assert!(detail.contains("at most 10000") && detail.contains("larger slices"), "{detail}");
}
