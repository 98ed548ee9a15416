//! A picture goes the whole way, and what comes out is what the reference gives.

use ortolan_testkit::{Tenant, fixtures};
use serde_json::{Value, json};

use crate::{server, tenant_with_detector};

pub fn reference(model: &str, image: &str) -> Value {
    let file = format!("reference/{model}__{}.json", image.replace('.', "_"));
    serde_json::from_slice(&fixtures::read(&file)).unwrap()
}

pub async fn run(tenant: &Tenant, task_type: &str, image: &str, config: Value) -> (Value, Vec<Value>) {
    let media = tenant.media(image, fixtures::read(&format!("images/{image}"))).await.unwrap();
    let task = tenant.submit(task_type, Some(&media), config).await.unwrap();
    let done = tenant.wait(&task).await.unwrap();
    assert_eq!(done["status"], "completed", "{done}");
    let artifacts = tenant.artifacts(&task).await.unwrap();
    (done, artifacts)
}

pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// Compares boxes with the reference within its strict tolerances.
pub fn same_boxes(artifacts: &[Value], expected: &[Value]) {
    assert_eq!(artifacts.len(), expected.len());
    for (artifact, wanted) in artifacts.iter().zip(expected) {
        let payload = &artifact["payload"];
        let bounds = &payload["bounding_box"];
        assert_eq!(payload["label"], wanted["class_name"]);
        assert!((number(&payload["confidence"]) - number(&wanted["score"])).abs() <= 2e-4);
        let (x, y) = (number(&bounds["x"]), number(&bounds["y"]));
        let found = [x, y, x + number(&bounds["width"]), y + number(&bounds["height"])];
        for (edge, name) in found.iter().zip(["x1", "y1", "x2", "y2"]) {
            assert!((edge - number(&wanted[name])).abs() <= 0.05, "{name}: {edge} is not {}", wanted[name]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_becomes_the_boxes_of_the_reference() {
    let server = server().await;
    let tenant = tenant_with_detector(&server, "acme").await;
    let (done, artifacts) =
        run(&tenant, "object_detection", "shapes_b.jpg", json!({"confidence_threshold": 0.25})).await;
    let reference = reference("shapes_det_160", "shapes_b.jpg");
    same_boxes(&artifacts, reference["cases"][0]["detections"].as_array().unwrap());

    assert_eq!(done["attempt"], 1);
    for field in
        ["queued_at", "started_at", "completed_at", "run_id", "worker_id", "queue_time_ms", "inference_time_ms"]
    {
        assert!(!done[field].is_null(), "{field} is missing: {done}");
    }
    let first = &artifacts[0];
    assert_eq!(first["artifact_type"], "object.detection");
    assert_eq!(first["run_id"], done["run_id"]);
    assert_eq!(first["model_sha256"], reference["model_sha256"]);
    assert_eq!(first["input_hash"], reference["image_sha256"]);
    assert_eq!(first["payload"]["frame_number"], 0);
    assert_eq!((first["span_start_ms"].as_i64(), first["schema_version"].as_i64()), (Some(0), Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn masks_and_classes_come_out_too() {
    let server = server().await;
    let tenant = server.tenant("acme").await.unwrap();
    for (slot, model) in [("segment", "shapes_seg_160"), ("classify", "shapes_cls_64")] {
        let file = fixtures::read(&format!("models/{model}.onnx"));
        tenant.put_slot(slot, file).await.unwrap().expect(200).unwrap();
    }
    let (_, masks) = run(&tenant, "segmentation", "shapes_a.png", json!({"confidence_threshold": 0.25})).await;
    let reference = reference("shapes_seg_160", "shapes_a.png");
    let expected = reference["cases"][0]["detections"].as_array().unwrap();
    same_boxes(&masks, expected);
    for (mask, wanted) in masks.iter().zip(expected) {
        assert_eq!(mask["artifact_type"], "object.segmentation");
        assert_eq!(mask["payload"]["mask_rle"]["counts"], wanted["mask"]["counts"]);
        assert_eq!(mask["payload"]["area_px"], wanted["area_px"]);
        assert!(mask["payload"]["polygon"].as_array().unwrap().len() >= 3);
    }
    let (_, classes) = run(&tenant, "classification", "shapes_b.jpg", json!({})).await;
    assert_eq!(classes.len(), 1);
    let predictions = classes[0]["payload"]["predictions"].as_array().unwrap();
    assert_eq!((predictions.len(), &predictions[0]["label"]), (3, &json!("square")));
    assert!((number(&predictions[0]["confidence"]) - 0.861416).abs() <= 2e-4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_threshold_is_the_task_types_own() {
    let server = server().await;
    let tenant = tenant_with_detector(&server, "acme").await;
    let (done, few) = run(&tenant, "object_detection", "shapes_crowd.jpg", json!({})).await;
    assert!((number(&done["config"]["confidence_threshold"]) - 0.8).abs() < 1e-6, "{}", done["config"]);
    let (_, many) = run(&tenant, "object_detection", "shapes_crowd.jpg", json!({"confidence_threshold": 0.25})).await;
    assert!(few.len() < many.len());
    assert!(few.iter().all(|artifact| number(&artifact["payload"]["confidence"]) > 0.8));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_class_name_fails_the_task_and_says_so() {
    let server = server().await;
    let tenant = tenant_with_detector(&server, "acme").await;
    let media = tenant.media("a.png", fixtures::read("images/shapes_a.png")).await.unwrap();
    let task = tenant.submit("object_detection", Some(&media), json!({"classes": ["unicorn"]})).await.unwrap();
    let done = tenant.wait(&task).await.unwrap();
    assert_eq!((&done["status"], &done["attempt"]), (&json!("failed"), &json!(1)), "{done}");
    assert!(done["error"]["detail"].as_str().unwrap().contains("unicorn"), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_loads_once_for_many_first_calls_and_clears_away() {
    let server = server().await;
    let tenant = tenant_with_detector(&server, "acme").await;
    assert_eq!(tenant.get("/model-cache").await.unwrap().expect(200).unwrap()["model_count"], 0);
    let media = tenant.media("a.png", fixtures::read("images/shapes_a.png")).await.unwrap();
    let mut tasks = Vec::new();
    for _ in 0..20 {
        tasks.push(tenant.submit("object_detection", Some(&media), json!({})).await.unwrap());
    }
    for task in &tasks {
        assert_eq!(tenant.wait(task).await.unwrap()["status"], "completed");
    }
    let cache = tenant.get("/model-cache").await.unwrap().expect(200).unwrap();
    assert_eq!(cache["cached_models"], json!(["acme_detect_worker_0"]));
    assert_eq!(server.log().matches("model fetched").count(), 1);
    let cleared = tenant.send(tenant.request(reqwest::Method::DELETE, "/model-cache")).await.unwrap();
    assert!(cleared.status.is_success());
    assert_eq!(tenant.get("/model-cache").await.unwrap().expect(200).unwrap()["model_count"], 0);
    crate::detects(&tenant).await;
}
