//! What is told of a task's end: signed webhooks, and results for a backend.

use std::collections::BTreeSet;
use std::time::Duration;

use ortolan_domain::Timestamp;
use ortolan_testkit::{Server, ServerOptions, Tenant, fixtures};
use serde_json::{Value, json};

use crate::protocol::register;
use crate::sink::{Sink, verify};
use crate::{options, server};

/// What a client calls its session and its picture.
const SESSION: &str = "0199aaaa-0000-7000-8000-000000000001";
const IMAGE: &str = "0199aaaa-0000-7000-8000-000000000002";

fn local() -> ServerOptions {
    options().env("ORTOLAN_OUTBOUND__ALLOWED_NETWORKS", "127.0.0.1").env("ORTOLAN_CALLBACK__RETRY_BASE_S", "0")
}

async fn tenant(server: &Server) -> (Tenant, String) {
    let tenant = crate::tenant_with_detector(server, "acme").await;
    let media = tenant.media("a.png", fixtures::read("images/shapes_a.png")).await.unwrap();
    (tenant, media)
}

fn step(name: &str, kwargs: Value) -> Value {
    json!({"step": {"name": name, "kwargs": kwargs}})
}

async fn submit(tenant: &Tenant, media: &str, chain: Value, callback_url: Option<String>) -> String {
    let config = json!({"pipeline_definition": {"chain": chain}, "settings": {"confidence_threshold": 0.25}});
    let body = json!({"task_type": "pipeline", "media_id": media, "config": config, "callback_url": callback_url});
    let task = tenant.post("/tasks", body).await.unwrap().expect(201).unwrap();
    task["task_id"].as_str().unwrap().to_owned()
}

/// The one delivery of a task once it has this status.
async fn delivery(tenant: &Tenant, task: &str, status: &str) -> Value {
    for _ in 0..3000 {
        let list = tenant.get(&format!("/tasks/{task}/callbacks")).await.unwrap().expect(200).unwrap();
        if list["items"][0]["status"] == status {
            return list["items"][0].clone();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the delivery of {task} never was {status}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_signed_repeated_until_it_is_taken_and_told_of() {
    let server = Server::start(local()).await.unwrap();
    let (tenant, media) = tenant(&server).await;
    let secret = tenant.post("/webhook-secret", json!({})).await.unwrap().expect(201).unwrap();
    let secret = secret["secret"].as_str().unwrap().to_owned();
    let sink = Sink::answering(&[500, 302]).await;
    let task = submit(&tenant, &media, json!([step("detection", json!({}))]), Some(sink.url("/hook"))).await;
    let requests = sink.received(3).await;
    let told = delivery(&tenant, &task, "delivered").await;
    assert_eq!((&told["attempts"], &told["last_status"], &told["kind"]), (&json!(3), &json!(200), &json!("webhook")));
    for request in &requests {
        assert!(verify(&secret, request), "{request:?}");
        assert_eq!(
            (request.path.as_str(), request.header("webhook-id")),
            ("/hook", told["webhook_id"].as_str().unwrap())
        );
        assert_eq!(request.header("x-tenant-id"), "acme");
    }
    let body = requests[2].json();
    assert_eq!((&body["type"], &body["data"]["task_id"]), (&json!("task.completed"), &json!(task)));
    assert!(!body["data"]["results"]["detections"].as_array().unwrap().is_empty());

    // After a change of the secret both sign, so that the receiver can change over.
    let newer = tenant.post("/webhook-secret", json!({})).await.unwrap().expect(201).unwrap();
    submit(&tenant, &media, json!([step("detection", json!({}))]), Some(sink.url("/hook"))).await;
    let last = sink.received(4).await.pop().unwrap();
    assert!(verify(&secret, &last) && verify(newer["secret"].as_str().unwrap(), &last));
    let shown = tenant.get("/webhook-secret").await.unwrap().expect(200).unwrap();
    assert!(shown.get("secret").is_none() && shown["previous_until"].is_string(), "{shown}");

    // What was delivered can be asked for again, and is the same delivery.
    let again = json!({"webhook_id": told["webhook_id"]});
    tenant.post(&format!("/tasks/{task}/callbacks/redeliver"), again).await.unwrap().expect(200).unwrap();
    let again = sink.received(5).await.pop().unwrap();
    assert_eq!((again.header("webhook-id"), &again.body), (requests[2].header("webhook-id"), &requests[2].body));
    assert!(verify(newer["secret"].as_str().unwrap(), &again));
    assert!(!server.log().contains("whsec_") && !server.log().contains("/hook"), "the log tells secrets");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_task_can_have_a_webhook_and_a_redirect_is_no_delivery() {
    let server = Server::start(local().env("ORTOLAN_CALLBACK__MAX_ATTEMPTS", "2")).await.unwrap();
    let tenant = server.tenant("acme").await.unwrap();
    let private = Sink::answering(&[]).await;
    let sink = Sink::redirecting(2, &private.url("/inside")).await;
    let body = json!({"task_type": "noop", "callback_url": sink.url("/hook")});
    let task = tenant.post("/tasks", body).await.unwrap().expect(201).unwrap();
    let task = task["task_id"].as_str().unwrap();
    let told = delivery(&tenant, task, "dead").await;
    let tries: Vec<_> = told["tries"].as_array().unwrap().iter().map(|one| &one["status"]).collect();
    assert_eq!((tries, private.count()), (vec![&json!(307), &json!(307)], 0));
    let body = sink.received(2).await[0].json();
    assert_eq!((&body["data"]["task_type"], &body["data"]["success"]), (&json!("noop"), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_job_is_told_as_that_of_a_task() {
    let server = Server::start(local()).await.unwrap();
    let tenant = server.tenant("acme").await.unwrap();
    let model = register(&tenant, "identity", fixtures::read("models/identity.onnx")).await;
    let sink = Sink::answering(&[]).await;
    let wish = json!({ "model_id": model, "input_data": { "x": [[1, 2, 3, 4]] }, "callback_url": sink.url("/hook") });
    let job = tenant.post("/jobs", wish).await.unwrap().expect(201).unwrap();
    let told = sink.received(1).await[0].json();
    assert_eq!((&told["type"], &told["data"]["task_id"]), (&json!("task.completed"), &job["job_id"]));
    let result = tenant.job_result(job["job_id"].as_str().unwrap()).await.unwrap();
    assert_eq!(result["result"], json!({ "y": [[1.0, 2.0, 3.0, 4.0]] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_without_time_is_left_alone_as_long_as_it_asks() {
    let server = Server::start(local().env("ORTOLAN_CALLBACK__RETRY_CAP_S", "600")).await.unwrap();
    let (tenant, media) = tenant(&server).await;
    let sink = Sink::busy_for(300).await;
    let task = submit(&tenant, &media, json!([step("detection", json!({}))]), Some(sink.url("/hook"))).await;
    sink.received(1).await;
    let told = loop {
        let told = delivery(&tenant, &task, "pending").await;
        if told["attempts"] == 1 && told["last_status"] == 503 {
            break told;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    // Without it the next try would be at once: the base of the pauses is 0 here.
    let at = |field: &str| serde_json::from_value::<Timestamp>(told[field].clone()).unwrap().as_micros();
    assert!(at("next_attempt_at") - at("created_at") >= 300_000_000, "{told}");
    assert_eq!(sink.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_too_and_a_receiver_that_never_answers_is_given_up() {
    let env = local().env("ORTOLAN_CALLBACK__MAX_ATTEMPTS", "2").env("BACKEND_TIMEOUT", "1");
    let server = Server::start(env).await.unwrap();
    let (tenant, media) = tenant(&server).await;
    let sink = Sink::answering(&[0, 503]).await;
    let chain = json!([step("detection", json!({"classes": ["unicorn"]}))]);
    let task = submit(&tenant, &media, chain, Some(sink.url("/hook"))).await;
    let told = delivery(&tenant, &task, "dead").await;
    assert_eq!((&told["attempts"], &told["last_status"], &told["event"]), (&json!(2), &json!(503), &json!("failed")));
    assert!(told["last_error"].as_str().unwrap().contains("503"), "{told}");
    let body = sink.received(2).await[1].json();
    assert_eq!((&body["type"], &body["data"]["success"]), (&json!("task.failed"), &json!(false)));
    assert!(body["data"]["error"]["detail"].as_str().unwrap().contains("unicorn"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn private_receivers_are_refused_unless_allowed() {
    let server = server().await;
    let (tenant, media) = tenant(&server).await;
    let definition = json!({"chain": [step("detection", json!({}))]});
    let config = json!({"pipeline_definition": definition});
    let hook = "http://127.0.0.1:9/hook";
    let body = json!({"task_type": "pipeline", "media_id": media, "config": config, "callback_url": hook});
    let refused = tenant.post("/tasks", body).await.unwrap().expect(422).unwrap();
    assert_eq!(refused["errors"][0]["field"], "callback_url");
    // A name tells nothing until it is resolved.
    let chain = json!([step("detection", json!({}))]);
    let task = submit(&tenant, &media, chain, Some("http://localhost:9/hook".to_owned())).await;
    let told = delivery(&tenant, &task, "dead").await;
    assert!(told["last_error"].as_str().unwrap().contains("private network"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backend_gets_results_and_errors_in_its_shape() {
    let sink = Sink::answering(&[]).await;
    let server = Server::start(options().env("BACKEND_URL", &sink.url(""))).await.unwrap();
    let (tenant, media) = tenant(&server).await;
    let chain =
        json!(
            [step("detection", json!({})), step("aggregate_detections", json!({})), step("send_results", json!({})),]
        );
    submit(&tenant, &media, chain, None).await;
    let request = sink.received(1).await.pop().unwrap();
    assert_eq!(request.path, "/api/v1/processing-callback/results");
    assert_eq!(request.header("x-tenant-id"), "acme");
    let body = request.json();
    assert_eq!(body["imageId"], json!(media));
    let first = &body["detections"][0];
    assert!(first["label"].is_string() && first["boundingBox"]["x2"].as_f64() > first["boundingBox"]["x1"].as_f64());
    let total = body["detections"].as_array().unwrap().len();
    let expected = json!({"estimationType": "total_detections", "value": total, "unit": "count"});
    assert!(body["estimations"].as_array().unwrap().contains(&expected), "{body}");

    let chain = json!([step("detection", json!({"classes": ["unicorn"]})), step("send_results", json!({}))]);
    submit(&tenant, &media, chain, None).await;
    let request = sink.received(2).await.pop().unwrap();
    assert_eq!(request.path, "/api/v1/processing-callback/error");
    assert!(request.json()["error"].as_str().unwrap().contains("unicorn"));
}

/// Submits a pipeline of a session and sees it end; gives the task.
async fn end_of(tenant: &Tenant, media: &str, chain: Value) -> Value {
    let config = json!({
        "pipeline_definition": {"chain": chain}, "settings": {"confidence_threshold": 0.25},
        "session_id": SESSION, "image_id": IMAGE,
    });
    let task = tenant.submit("pipeline", Some(media), config).await.unwrap();
    tenant.wait(&task).await.unwrap()
}

/// What a pipeline's task keeps as its result.
async fn kept_result(tenant: &Tenant, task: &Value) -> Value {
    let artifacts = tenant.artifacts(task["task_id"].as_str().unwrap()).await.unwrap();
    let result = artifacts.into_iter().find(|artifact| artifact["artifact_type"] == "pipeline.result");
    result.unwrap()["payload"].clone()
}

/// A detection in the backend's shape.
fn as_detection(found: &Value) -> Value {
    let number = |name: &str| found[name].as_f64().unwrap();
    let (x, y) = (number("center_x_px"), number("center_y_px"));
    let (half_width, half_height) = (number("width_px") / 2.0, number("height_px") / 2.0);
    let bounds = json!({"x1": x - half_width, "y1": y - half_height, "x2": x + half_width, "y2": y + half_height});
    json!({"label": found["class_name"], "confidence": found["confidence"], "boundingBox": bounds})
}

fn as_class(found: &Value) -> Value {
    json!({"label": found["label"], "confidence": found["confidence"]})
}

/// Each of a list in the backend's shape; there must be some.
fn each(list: &Value, shape: fn(&Value) -> Value) -> Value {
    let list = list.as_array().unwrap();
    assert!(!list.is_empty());
    list.iter().map(shape).collect()
}

fn names(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backend_gets_every_field_that_it_is_promised_and_no_other() {
    let sink = Sink::answering(&[]).await;
    let server = Server::start(options().env("BACKEND_URL", &sink.url(""))).await.unwrap();
    let (tenant, media) = tenant(&server).await;
    tenant.put_slot("classify", fixtures::read("models/shapes_cls_64.onnx")).await.unwrap().expect(200).unwrap();
    let steps = [
        step("detection", json!({})),
        step("classification", json!({"top_k": 2})),
        step("aggregate_detections", json!({})),
        step("send_results", json!({})),
    ];
    let done = end_of(&tenant, &media, json!(steps)).await;
    let (result, request) = (kept_result(&tenant, &done).await, sink.received(1).await.pop().unwrap());
    assert_eq!((request.method.as_str(), request.header("x-tenant-id")), ("POST", "acme"));
    assert_eq!(request.header("content-type"), "application/json");
    let body = request.json();
    let promised = ["sessionId", "imageId", "detections", "classifications", "estimations", "metadata"];
    assert_eq!(names(&body), BTreeSet::from(promised));
    assert_eq!((&body["sessionId"], &body["imageId"]), (&json!(SESSION), &json!(IMAGE)));
    let found = &result["results"];
    assert_eq!(body["detections"], each(&found["detections"], as_detection));
    assert_eq!(body["classifications"], each(&found["classifications_raw"][0]["predictions"], as_class));
    for estimation in body["estimations"].as_array().unwrap() {
        assert_eq!(names(estimation), BTreeSet::from(["estimationType", "value", "unit"]));
    }
    let metadata = json!({
        "taskId": done["task_id"], "tenantId": "acme", "pipelineType": "chain", "durationMs": result["duration_ms"],
        "stepsCompleted": steps.len(), "processedAt": result["processed_at"], "uploads": [],
    });
    assert_eq!(body["metadata"], metadata);

    let steps = [step("detection", json!({"classes": ["unicorn"]})), step("send_results", json!({}))];
    let failed = end_of(&tenant, &media, json!(steps)).await;
    let request = sink.received(2).await.pop().unwrap();
    assert_eq!((request.method.as_str(), request.header("x-tenant-id")), ("POST", "acme"));
    assert_eq!(request.path, "/api/v1/processing-callback/error");
    let told = json!({
        "sessionId": SESSION, "imageId": IMAGE, "error": failed["error"]["detail"], "errorCode": failed["error"]["code"],
        "metadata": {"taskId": failed["task_id"], "tenantId": "acme", "status": "failed"},
    });
    assert_eq!(request.json(), told);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_backend_results_cannot_be_sent() {
    let server = server().await;
    let (tenant, media) = tenant(&server).await;
    let config = json!({"pipeline_definition": {"chain": [step("send_results", json!({}))]}});
    let body = json!({"task_type": "pipeline", "media_id": media, "config": config});
    let refused = tenant.post("/tasks", body).await.unwrap().expect(400).unwrap();
    assert!(refused["detail"].as_str().unwrap().contains("callback.backend_url"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_sent_when_the_worker_was_killed_is_sent_once_more_under_the_same_id() {
    let mut server = Server::start(local().env("BACKEND_TIMEOUT", "2")).await.unwrap();
    let (tenant, media) = tenant(&server).await;
    let sink = Sink::answering(&[0]).await;
    let task = submit(&tenant, &media, json!([step("detection", json!({}))]), Some(sink.url("/hook"))).await;
    // The task is completed and durable, and its webhook is on the wire without an answer.
    let first = sink.received(1).await.pop().unwrap();
    server.kill().unwrap();
    server.restart().await.unwrap();
    let told = delivery(&tenant, &task, "delivered").await;
    let requests = sink.received(2).await;
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].header("webhook-id"), first.header("webhook-id"));
    assert_eq!((requests[1].body.as_slice(), &told["attempts"]), (first.body.as_slice(), &json!(2)));
}
