//! Pipelines over real models: what single tasks find, a pipeline finds, and more.

use ortolan_testkit::{Server, Tenant, fixtures};
use serde_json::{Value, json};

use crate::{options, server};

const SESSION: &str = "0199aaaa-0000-7000-8000-000000000001";

fn step(name: &str, kwargs: Value) -> Value {
    json!({"step": {"name": name, "kwargs": kwargs}})
}

/// A tenant with a small model in each slot.
async fn tenant(server: &Server) -> Tenant {
    let tenant = server.tenant("acme").await.unwrap();
    for (slot, model) in [("detect", "shapes_det_160"), ("segment", "shapes_seg_160"), ("classify", "shapes_cls_64")] {
        tenant.put_slot(slot, fixtures::read(&format!("models/{model}.onnx"))).await.unwrap().expect(200).unwrap();
    }
    tenant
}

async fn upload(tenant: &Tenant, image: &str) -> String {
    tenant.media(image, fixtures::read(&format!("images/{image}"))).await.unwrap()
}

fn request(media: &str, chain: Value) -> Value {
    json!({
        "tenant_id": "acme", "session_id": SESSION, "image_id": media, "image_url": format!("media://{media}"),
        "pipeline_definition": {"chain": chain}, "settings": {"confidence_threshold": 0.25},
    })
}

async fn process(tenant: &Tenant, image: &str, chain: Value) -> Value {
    let media = upload(tenant, image).await;
    tenant.post("/tasks/process", request(&media, chain)).await.unwrap().expect(200).unwrap()
}

fn list<'a>(result: &'a Value, name: &str) -> &'a Vec<Value> {
    result["results"][name].as_array().unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nested_pipeline_finds_what_the_single_tasks_find() {
    let server = server().await;
    let tenant = tenant(&server).await;
    let chain = json!([
        step("segmentation", json!({})),
        {"chord": {
            "group": [step("detection", json!({})), {"chain": [step("classification", json!({"top_k": 2}))]}],
            "callback": {"chain": [step("size_calculator", json!({})), step("aggregate_detections", json!({}))]},
        }},
        step("species_distributor", json!({"species": ["oak", "elm"]})),
    ]);
    let result = process(&tenant, "shapes_a.png", chain).await;
    assert_eq!((&result["success"], &result["tenant_id"]), (&json!(true), &json!("acme")));
    assert_eq!((&result["session_id"], &result["pipeline_type"]), (&json!(SESSION), &json!("chain")));
    assert_eq!((&result["steps_completed"], &result["error"]), (&json!(6), &Value::Null));

    let media = upload(&tenant, "shapes_a.png").await;
    let config = json!({"confidence_threshold": 0.25});
    let single = tenant.submit("object_detection", Some(&media), config.clone()).await.unwrap();
    tenant.wait(&single).await.unwrap();
    let boxes = tenant.artifacts(&single).await.unwrap();
    let found = list(&result, "detections");
    assert_eq!(found.len(), boxes.len());
    for (found, alone) in found.iter().zip(&boxes) {
        let bounds = &alone["payload"]["bounding_box"];
        assert_eq!((&found["class_name"], &found["segment_idx"]), (&alone["payload"]["label"], &json!(-1)));
        assert_eq!(number(&found["confidence"]), number(&alone["payload"]["confidence"]));
        let centre = number(&bounds["x"]) + number(&bounds["width"]) / 2.0;
        assert!((number(&found["center_x_px"]) - centre).abs() < 1e-6, "{found} {bounds}");
        assert!(found["size"].is_string() && found["species"].is_string(), "{found}");
    }
    assert_eq!(result["results"]["total_detections"], json!(found.len()));

    let segments = list(&result, "segments");
    let areas: Vec<_> = segments.iter().map(|segment| segment["area_px"].as_u64().unwrap()).collect();
    assert!(areas.len() > 1 && areas.is_sorted_by(|a, b| a >= b), "{areas:?}");
    assert_eq!(list(&result, "classifications_raw")[0]["predictions"].as_array().unwrap().len(), 2);

    let task = result["task_id"].as_str().unwrap();
    let artifacts = tenant.artifacts(task).await.unwrap();
    let count = |kind: &str| artifacts.iter().filter(|artifact| artifact["artifact_type"] == kind).count();
    assert_eq!(count("pipeline.result"), 1);
    assert_eq!(count("object.detection"), found.len());
    assert_eq!(count("object.segmentation"), segments.len());
    assert_eq!(count("image.classification"), 1);
    assert!(artifacts.iter().all(|artifact| artifact["model_sha256"].is_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn boxes_found_in_segments_lie_in_the_whole_picture_and_name_their_segment() {
    let server = server().await;
    let tenant = tenant(&server).await;
    let everything = json!([step("segmentation", json!({})), step("detection", json!({}))]);
    let whole = process(&tenant, "shapes_a.png", everything).await;
    let class = list(&whole, "segments")[0]["class_name"].as_str().unwrap();
    let inside = json!([
        step("segmentation", json!({})),
        step("detection", json!({"segment_type": class})),
        step("aggregate_detections", json!({})),
    ]);
    let result = process(&tenant, "shapes_a.png", inside).await;
    let (segments, found) = (list(&result, "segments"), list(&result, "detections"));
    assert!(!found.is_empty(), "{result}");
    for object in found {
        let idx = object["source_segment_idx"].as_u64().unwrap();
        assert_eq!(object["segment_idx"], json!(idx));
        let home = segments.iter().find(|segment| segment["segment_idx"] == json!(idx)).unwrap();
        assert_eq!(home["class_name"], class);
        let edge = |at: usize| number(&home["bbox"][at]);
        let (x, y) = (number(&object["center_x_px"]), number(&object["center_y_px"]));
        assert!(
            x >= edge(0) - 1.0 && x <= edge(2) + 1.0 && y >= edge(1) - 1.0 && y <= edge(3) + 1.0,
            "{object} {home}"
        );
    }
    let counted: u64 = result["results"]["detections_by_segment"]
        .as_object()
        .unwrap()
        .values()
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert_eq!(counted, found.len() as u64);

    let none = json!([step("segmentation", json!({})), step("detection", json!({"segment_type": "unicorn"}))]);
    assert!(list(&process(&tenant, "shapes_a.png", none).await, "detections").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_segment_of_each_class_stays() {
    let server = server().await;
    let tenant = tenant(&server).await;
    let all = process(&tenant, "shapes_crowd.jpg", json!([step("segmentation", json!({}))])).await;
    let filtered = json!([step("segmentation", json!({})), step("segment_filter", json!({}))]);
    let kept = process(&tenant, "shapes_crowd.jpg", filtered).await;
    let mut largest = std::collections::BTreeMap::new();
    for segment in list(&all, "segments") {
        largest.entry(segment["class_name"].to_string()).or_insert_with(|| segment["segment_idx"].clone());
    }
    let kept: Vec<_> = list(&kept, "segments").iter().map(|segment| segment["segment_idx"].clone()).collect();
    assert_eq!(kept.len(), largest.len());
    assert!(list(&all, "segments").len() > kept.len());
    assert!(largest.values().all(|idx| kept.contains(idx)), "{kept:?} {largest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tiles_find_what_a_look_at_the_whole_misses() {
    let server = server().await;
    let tenant = server.tenant("acme").await.unwrap();
    tenant.put_slot("detect", fixtures::read("models/shapes_det_dyn.onnx")).await.unwrap().expect(200).unwrap();
    let tiles = step("sahi_detection", json!({"sahi_slice_height": 320, "sahi_slice_width": 320}));
    let both = json!([{"group": [step("detection", json!({"image_size": 160})), tiles]}]);
    let result = process(&tenant, "shapes_big.jpg", both).await;
    let whole = process(&tenant, "shapes_big.jpg", json!([step("detection", json!({"image_size": 160}))])).await;
    assert!(list(&result, "detections").len() > 2 * list(&whole, "detections").len());
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_of_a_group_are_on_the_device_at_the_same_time() {
    let server = server().await;
    let tenant = server.tenant("acme").await.unwrap();
    tenant.put_slot("detect", fixtures::read("models/shapes_det_dyn.onnx")).await.unwrap().expect(200).unwrap();
    let media = upload(&tenant, "shapes_big.jpg").await;
    // Two runs of seconds each.
    let slow = || step("detection", json!({"image_size": 2048}));
    let config = json!({"pipeline_definition": {"chain": [{"group": [slow(), slow()]}]}});
    let task = tenant.submit("pipeline", Some(&media), config).await.unwrap();
    let mut most = 0;
    loop {
        let metrics = server.client().get(server.url("/metrics")).send().await.unwrap().text().await.unwrap();
        let gauge = metrics.lines().find(|line| line.starts_with("ortolan_ml_permits_in_use"));
        most = most.max(gauge.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).unwrap_or(0.0) as u32);
        let status = tenant.task(&task).await.unwrap()["status"].clone();
        if most == 2 || !matches!(status.as_str(), Some("pending" | "queued" | "running")) {
            break;
        }
    }
    assert_eq!(most, 2, "the branches never ran at the same time");
    assert_eq!(tenant.wait(&task).await.unwrap()["status"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_fails_the_task_and_names_itself() {
    let server = server().await;
    let tenant = tenant(&server).await;
    let media = upload(&tenant, "shapes_a.png").await;
    let chain =
        json!([{"group": [step("detection", json!({"classes": ["unicorn"]})), step("segmentation", json!({}))]}]);
    let refused = tenant.post("/tasks/process", request(&media, chain)).await.unwrap().expect(422).unwrap();
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("step detection") && detail.contains("unicorn"), "{refused}");
    assert!(refused.get("success").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_of_development_a_queue_in_front_can_be_demanded() {
    let env = options().env("ENVIRONMENT", "staging").env("ORTOLAN_SERVER__INGRESS_HEADER", "X-CloudTasks-QueueName");
    let server = Server::start(env).await.unwrap();
    let tenant = server.tenant("acme").await.unwrap();
    tenant.post("/tasks", json!({"task_type": "noop"})).await.unwrap().expect(403).unwrap();
    let request = tenant.request(reqwest::Method::POST, "/tasks").header("X-CloudTasks-QueueName", "q");
    tenant.send(request.json(&json!({"task_type": "noop"}))).await.unwrap().expect(201).unwrap();
}
