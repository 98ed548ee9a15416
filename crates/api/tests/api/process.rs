//! Pipelines at the door: what is refused before any work, and how an end is answered.

use ortolan_domain::artifact::{Artifact, ArtifactType};
use ortolan_domain::job::Provenance;
use ortolan_domain::{ArtifactId, Timestamp};
use serde_json::{Value, json};

use crate::support::{Answer, Client, TestApp, ready_for_detection};

const ID: &str = "0199aaaa-0000-7000-8000-000000000001";

fn step(name: &str) -> Value {
    json!({"step": {"name": name}})
}

fn request(tenant: &str, media: &str) -> Value {
    json!({
        "tenant_id": tenant, "session_id": ID, "image_id": ID, "image_url": format!("media://{media}"),
        "pipeline_definition": {"chain": [step("detection")]}, "settings": {},
    })
}

/// A tenant with a detector and a picture.
async fn acme(app: &TestApp) -> (Client, String) {
    let tenant = app.tenant("acme").await;
    let media = ready_for_detection(&tenant).await;
    (tenant, media)
}

#[tokio::test]
async fn each_rule_of_the_request_has_its_refusal() {
    let app = TestApp::new().await;
    let (tenant, media) = acme(&app).await;
    let good = request("acme", &media);
    for (field, bad, status, code, named) in [
        ("tenant_id", json!(""), 422, "invalid_field", Some("tenant_id")),
        ("tenant_id", json!("a".repeat(101)), 422, "invalid_field", Some("tenant_id")),
        ("tenant_id", json!("../acme"), 422, "invalid_field", Some("tenant_id")),
        ("tenant_id", json!("a/b"), 422, "invalid_field", Some("tenant_id")),
        ("tenant_id", json!("a\\b"), 422, "invalid_field", Some("tenant_id")),
        ("tenant_id", json!("other"), 403, "forbidden", None),
        ("session_id", json!("nope"), 422, "invalid_field", Some("session_id")),
        ("image_id", json!(7), 422, "invalid_field", Some("image_id")),
        ("image_url", json!(""), 422, "invalid_field", Some("image_url")),
        ("image_url", json!("ftp://host/a.jpg"), 422, "invalid_field", Some("image_url")),
        ("image_url", json!("media://nope"), 422, "invalid_field", Some("image_url")),
        ("image_url", json!(format!("media://{ID}")), 404, "not_found", None),
        ("pipeline_definition", json!([]), 400, "invalid_pipeline", None),
        ("settings", json!({"zzz": 1}), 422, "invalid_field", Some("settings.zzz")),
        ("settings", json!({"iou_threshold": 7}), 422, "invalid_field", Some("settings.iou_threshold")),
        ("surprise", json!(1), 422, "invalid_field", Some("surprise")),
    ] {
        let mut wish = good.clone();
        wish[field] = bad;
        let refused = tenant.post("/tasks/process", wish).await.refuses(status, code);
        if let Some(named) = named {
            refused.naming(named);
        }
    }
    assert_eq!(tenant.get("/tasks").await.is(200).json["total"], 0, "nothing was submitted");
}

#[tokio::test]
async fn an_unknown_step_however_deep_is_a_400_and_no_model_is_touched() {
    let app = TestApp::new().await;
    let (tenant, media) = acme(&app).await;
    let asked = app.ml.asked().len();
    let deep = json!({"chain": [step("detection"), {"group": [{"chain": [step("fly")]}]}]});
    let mut wish = request("acme", &media);
    wish["pipeline_definition"] = deep.clone();
    let refused = tenant.post("/tasks/process", wish).await.refuses(400, "invalid_pipeline");
    let detail = refused.json["detail"].as_str().unwrap();
    assert!(detail.starts_with("Invalid pipeline: unknown step 'fly' at "), "{detail}");
    assert!(detail.contains("known steps: detection, segmentation"), "{detail}");
    let task = json!({"task_type": "pipeline", "media_id": media, "config": {"pipeline_definition": deep}});
    tenant.post("/tasks", task).await.refuses(400, "invalid_pipeline");
    assert_eq!(app.ml.asked().len(), asked);
}

#[tokio::test]
async fn every_model_that_the_steps_need_must_be_there() {
    let app = TestApp::new().await;
    let (tenant, media) = acme(&app).await;
    let mut wish = request("acme", &media);
    wish["pipeline_definition"] = json!({"chain": [step("detection"), {"group": [step("segmentation")]}]});
    let refused = tenant.post("/tasks/process", wish.clone()).await.refuses(400, "model_not_found");
    assert_eq!(refused.json["detail"], "Model 'segment' not found for tenant 'acme'");
    let config = json!({"pipeline_definition": wish["pipeline_definition"]});
    let task = json!({"task_type": "pipeline", "media_id": media, "config": config});
    tenant.post("/tasks", task).await.refuses(400, "model_not_found");
}

#[tokio::test]
async fn a_task_names_the_bad_setting_by_its_path_and_stores_every_setting() {
    let app = TestApp::new().await;
    let (tenant, media) = acme(&app).await;
    let task = |kwargs: Value| {
        let definition = json!({"chain": [{"step": {"name": "detection", "kwargs": kwargs}}]});
        json!({"task_type": "pipeline", "media_id": media, "config": {"pipeline_definition": definition}})
    };
    let field = "config.pipeline_definition.chain[0].step.kwargs.iou_threshold";
    tenant.post("/tasks", task(json!({"iou_threshold": 2}))).await.refuses(422, "invalid_field").naming(field);
    let made = tenant.post("/tasks", task(json!({"iou_threshold": 0.5}))).await.is(201);
    let kwargs = &made.json["config"]["pipeline_definition"]["chain"][0]["step"]["kwargs"];
    assert_eq!((&kwargs["iou_threshold"], &kwargs["max_detections"]), (&json!(0.5), &json!(300)));
}

#[tokio::test]
async fn the_steps_are_described() {
    let app = TestApp::new().await;
    let tenant = app.tenant("acme").await;
    let steps = tenant.get("/pipelines/steps").await.is(200).json;
    assert_eq!(steps["items"].as_array().unwrap().len() as u64, steps["total"].as_u64().unwrap());
    let sahi = steps["items"].as_array().unwrap().iter().find(|step| step["name"] == "sahi_detection").unwrap();
    assert_eq!(sahi["model_slot"], "detect");
    assert_eq!(sahi["settings_schema"]["properties"]["sahi_slice_height"]["default"], 512);
}

#[tokio::test]
async fn with_a_queue_in_front_only_its_submissions_are_taken() {
    let app = TestApp::with(|settings| settings.ingress_header = Some("X-Queue-Name".to_owned())).await;
    let (tenant, media) = acme(&app).await;
    tenant.post("/tasks/process", request("acme", &media)).await.refuses(403, "forbidden");
    tenant.post("/tasks", json!({"task_type": "noop"})).await.refuses(403, "forbidden");
    tenant.with("x-queue-name", "pictures").post("/tasks", json!({"task_type": "noop"})).await.is(201);
}

/// Sends a request and gives the task that it made meanwhile.
async fn start(app: &TestApp, tenant: &Client, wish: Value) -> (tokio::task::JoinHandle<Answer>, String) {
    let (waiting, body) = (tenant.clone(), wish);
    let answer = tokio::spawn(async move { waiting.post("/tasks/process", body).await });
    loop {
        let tasks = tenant.get("/tasks").await.is(200).json;
        if let Some(task) = tasks["tasks"][0]["task_id"].as_str() {
            app.wired.dispatch().await;
            return (answer, task.to_owned());
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_answer_is_the_result_once_the_task_has_completed() {
    let app = TestApp::new().await;
    let (tenant, media) = acme(&app).await;
    let (answer, id) = start(&app, &tenant, request("acme", &media)).await;
    let task = app.wired.claim(&id).await;
    let result = json!({
        "success": true, "tenant_id": "acme", "session_id": ID, "image_id": ID, "pipeline_type": "chain",
        "results": {"segments": [], "detections": [], "classifications_raw": []}, "duration_ms": 1.0,
        "steps_completed": 1, "steps": [], "models": [], "error": null, "processed_at": "2026-01-02T03:04:05Z",
    });
    let artifact = Artifact {
        id: ArtifactId::generate(),
        tenant_id: task.spec.tenant_id,
        task_id: task.spec.id,
        ordinal: 0,
        artifact_type: ArtifactType::PipelineResult,
        schema_version: 1,
        span_start_ms: 0,
        span_end_ms: 0,
        payload: result,
        provenance: Provenance {
            run_id: task.run_id.unwrap(),
            config_hash: task.spec.config_hash.clone(),
            input_hash: "i".to_owned(),
            producer: "p".to_owned(),
            producer_version: "1".to_owned(),
            model_profile: "balanced".to_owned(),
            model_sha256: None,
            request_id: None,
        },
        created_at: Timestamp::default(),
    };
    app.wired.complete_with(&task, vec![artifact]).await;
    let answer = answer.await.unwrap().is(200);
    assert_eq!((&answer.json["success"], &answer.json["task_id"]), (&json!(true), &json!(id)));
    assert_eq!((&answer.json["session_id"], &answer.json["error"]), (&json!(ID), &Value::Null));
    assert_eq!(answer.header("location"), format!("/api/v1/tasks/{id}"));
}

#[tokio::test]
async fn a_failure_is_a_problem_and_never_a_success() {
    let app = TestApp::new().await;
    let (tenant, media) = acme(&app).await;
    let (answer, id) = start(&app, &tenant, request("acme", &media)).await;
    let task = app.wired.claim(&id).await;
    app.wired.fail(&task).await;
    let answer = answer.await.unwrap().refuses(422, "run_failed");
    assert!(answer.json["detail"].as_str().unwrap().contains(&id), "{}", answer.json);
}

#[tokio::test]
async fn what_takes_too_long_goes_on_as_a_task_and_is_named() {
    let app = TestApp::with(|settings| settings.process_wait = std::time::Duration::from_millis(1)).await;
    let (tenant, media) = acme(&app).await;
    let answer = tenant.post("/tasks/process", request("acme", &media)).await.refuses(504, "deadline_exceeded");
    let id = tenant.get("/tasks").await.is(200).json["tasks"][0]["task_id"].as_str().unwrap().to_owned();
    assert!(answer.json["detail"].as_str().unwrap().contains(&id), "{}", answer.json);
    assert_eq!(tenant.get(&format!("/tasks/{id}")).await.is(200).json["status"], "pending");
}
