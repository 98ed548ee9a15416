//! Submitting tasks.

use serde_json::{Value, json};

use crate::support::{AUDIO, BROKEN, MODEL, PICTURE, TestApp, ready_for_detection};

#[tokio::test]
async fn a_task_is_answered_whole() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let made = tenant.post("/tasks", json!({ "task_type": "noop", "priority": "high" })).await.is(201);
    let id = made.json["task_id"].as_str().unwrap();
    assert_eq!(made.header("location"), format!("/api/v1/tasks/{id}"));
    let right = json!({
        "task_id": id, "task_type": "noop", "media_id": null, "video_id": null, "status": "pending", "priority": "high",
        "attempt": 0, "version": made.json["version"], "config": { "sleep_ms": 0 }, "error": null, "progress": null,
        "created_at": "2026-01-02T03:04:05Z", "queued_at": null, "started_at": null, "completed_at": null, "run_id": null,
        "worker_id": null, "queue_time_ms": null, "inference_time_ms": null, "request_id": made.header("x-request-id"),
    });
    assert_eq!(made.json, right);
    assert_eq!(tenant.get(&format!("/tasks/{id}")).await.is(200).json, right);
}

#[tokio::test]
async fn what_does_not_fit_is_named() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let media = ready_for_detection(&tenant).await;
    for (body, field) in [
        (json!({ "task_type": "noop", "zzz": 1 }), "zzz"),
        (json!({ "task_type": "magic" }), "task_type"),
        (json!({}), "body"),
        (json!(["noop"]), "body"),
        (json!({ "task_type": "noop", "priority": "urgent" }), "priority"),
        (json!({ "task_type": "noop", "config": { "sleep_ms": 60_001 } }), "config.sleep_ms"),
        (json!({ "task_type": "noop", "config": { "sleep_ms": -1 } }), "config.sleep_ms"),
        (json!({ "task_type": "noop", "config": { "zzz": 1 } }), "config.zzz"),
        (json!({ "task_type": "noop", "config": null }), "config"),
        (json!({ "task_type": "noop", "config": [] }), "config"),
        (json!({ "task_type": "object_detection" }), "media_id"),
        (json!({ "task_type": "object_detection", "media_id": "7" }), "media_id"),
        (
            json!({ "task_type": "object_detection", "media_id": media, "config": { "confidence_threshold": 1.5 } }),
            "config.confidence_threshold",
        ),
        (
            json!({ "task_type": "object_detection", "media_id": media, "config": { "classes": ["x", 1.5] } }),
            "config.classes[1]",
        ),
    ] {
        tenant.post("/tasks", body).await.refuses(422, "invalid_field").naming(field);
    }
    let unknown = tenant.post("/tasks", json!({ "task_type": "magic" })).await;
    for known in ["object_detection", "segmentation", "classification", "sahi_detection", "noop"] {
        assert!(unknown.json["detail"].as_str().unwrap().contains(known), "{}", unknown.json);
    }
    assert_eq!(tenant.get("/tasks").await.json["total"], 0);
}

#[tokio::test]
async fn what_is_no_json_is_malformed() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    for bad in [&b""[..], b"{", b"task_type=noop", b"{\"task_type\":\"noop\"} x", b"{\"task_type\":\"\xff\"}"] {
        let kind = Some("application/json");
        tenant.send("POST", "/tasks", kind, bad.to_vec()).await.refuses(400, "malformed_request");
    }
    let deep = format!("{{\"task_type\":\"noop\",\"config\":{}", "[".repeat(5_000));
    tenant.send("POST", "/tasks", Some("application/json"), deep).await.refuses(400, "malformed_request");
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let body = r#"{"task_type":"noop"}"#;
        tenant.send("POST", "/tasks", kind, body).await.refuses(415, "unsupported_media_type");
    }
}

#[tokio::test]
async fn a_long_text_of_the_clients_is_not_sent_back_whole() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let long = "x".repeat(100_000);
    for body in [json!({ "task_type": long }), json!({ "task_type": "noop", &long: 1 })] {
        let answer = tenant.post("/tasks", body).await.is(422);
        assert!(answer.bytes.len() < 2_000);
    }
}

#[tokio::test]
async fn a_missing_model_is_told_in_the_known_words() {
    let app = TestApp::new().await;
    let tenant = app.tenant("tenant-001").await;
    let media = tenant.upload(PICTURE).await;
    for (kind, slot) in [
        ("object_detection", "detect"),
        ("sahi_detection", "detect"),
        ("segmentation", "segment"),
        ("classification", "classify"),
    ] {
        let answer = tenant.post("/tasks", json!({ "task_type": kind, "media_id": media })).await;
        let answer = answer.refuses(400, "model_not_found");
        assert_eq!(answer.json["detail"], format!("Model '{slot}' not found for tenant 'tenant-001'"));
    }
    tenant.put_bytes("/slots/detect", MODEL).await.is(200);
    tenant.post("/tasks", json!({ "task_type": "object_detection", "media_id": media })).await.is(201);
    tenant.post("/tasks", json!({ "task_type": "segmentation", "media_id": media })).await.is(400);
}

#[tokio::test]
async fn the_media_object_must_be_a_picture_of_the_tenants_own() {
    let app = TestApp::new().await;
    let (tenant, other) = (app.tenant("a").await, app.tenant("b").await);
    let own = ready_for_detection(&tenant).await;
    let foreign = other.upload(PICTURE).await;
    let sound = tenant.upload(AUDIO).await;
    let detect = |media: &str| json!({ "task_type": "object_detection", "media_id": media });
    let refused = tenant.post("/tasks", detect(&foreign)).await.refuses(404, "not_found");
    assert!(refused.json["detail"].as_str().unwrap().contains("media_id"));
    tenant.post("/tasks", detect(&ortolan_domain::MediaId::generate().to_string())).await.refuses(404, "not_found");
    tenant.post("/tasks", detect(&sound)).await.refuses(422, "invalid_field").naming("media_id");
    let made = tenant.post("/tasks", detect(&own)).await.is(201).json;
    assert_eq!(made["media_id"], own);
    assert_eq!(made["config"]["iou_threshold"].as_f64().map(|x| (x * 10.0).round()), Some(7.0));
}

#[tokio::test]
async fn the_same_key_means_the_same_task() {
    let app = TestApp::new().await;
    let (tenant, other) = (app.tenant("a").await, app.tenant("b").await);
    let keyed = tenant.with("idempotency-key", "k-1");
    let first = keyed.post("/tasks", json!({ "task_type": "noop" })).await.is(201).json;
    // The same request in other words.
    let again = keyed.post("/tasks", json!({ "config": { "sleep_ms": 0 }, "priority": "normal", "task_type": "noop" }));
    assert_eq!(again.await.is(201).json["task_id"], first["task_id"]);
    for different in
        [json!({ "task_type": "noop", "priority": "low" }), json!({ "task_type": "noop", "config": { "sleep_ms": 1 } })]
    {
        keyed.post("/tasks", different).await.refuses(409, "idempotency_conflict");
    }
    let theirs = other.with("idempotency-key", "k-1").post("/tasks", json!({ "task_type": "noop" })).await.is(201).json;
    assert_ne!(theirs["task_id"], first["task_id"]);
    assert_eq!(tenant.get("/tasks").await.json["total"], 1);
    for bad in ["", "a b", &"x".repeat(256)] {
        let refused = tenant.with("idempotency-key", bad).post("/tasks", json!({ "task_type": "noop" })).await;
        refused.refuses(400, "malformed_request").naming("Idempotency-Key");
    }
}

const DETECT: &[u8] = br#"{"task_type":"object_detection","config":{"confidence_threshold":0.25}}"#;

#[tokio::test]
async fn a_file_and_a_task_can_come_together_in_any_order() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    tenant.put_bytes("/slots/detect", MODEL).await.is(200);
    let (file, task) = (("file", Some("x.png"), PICTURE), ("task", None, DETECT));
    for parts in [[file, task], [task, file]] {
        let made = tenant.post_form("/tasks", &parts).await.is(201).json;
        let media = tenant.get(&format!("/media/{}", made["media_id"].as_str().unwrap())).await.is(200).json;
        assert_eq!((&media["file_name"], &media["kind"]), (&json!("x.png"), &json!("image")));
    }
    assert_eq!(app.objects().len(), 4);
}

#[tokio::test]
async fn of_a_refused_form_nothing_stays() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let file = ("file", Some("x.png"), PICTURE);
    let noop: &[u8] = br#"{"task_type":"noop"}"#;
    let refused = [
        (vec![file, ("task", None, DETECT)], 400, "model_not_found"),
        (vec![file], 422, "invalid_field"),
        (vec![("task", None, noop)], 422, "invalid_field"),
        (vec![file, ("task", None, b"{".as_slice())], 400, "malformed_request"),
        (vec![file, ("task", None, br#"{"task_type":"noop","zzz":1}"#.as_slice())], 422, "invalid_field"),
        (vec![file, file, ("task", None, noop)], 422, "invalid_field"),
        (vec![file, ("task", None, noop), ("extra", None, b"1".as_slice())], 422, "invalid_field"),
        (vec![("file", Some("x"), BROKEN), ("task", None, noop)], 422, "corrupt_media"),
    ];
    for (parts, status, code) in refused {
        tenant.post_form("/tasks", &parts).await.refuses(status, code);
        assert_eq!(app.objects(), Vec::<String>::new(), "{parts:?}");
    }
    let mut cut = crate::support::form(&[file, ("task", None, noop)]);
    cut.truncate(cut.len() - 40);
    let kind = Some("multipart/form-data; boundary=XX");
    tenant.send("POST", "/tasks", kind, cut).await.refuses(400, "malformed_request");
    assert_eq!(app.objects(), Vec::<String>::new());
    assert_eq!(tenant.get("/media").await.json["total"], 0);
    assert_eq!(tenant.get("/tasks").await.json["total"], 0);
}

#[tokio::test]
async fn a_repeated_form_gives_the_same_task_and_keeps_one_file() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    tenant.put_bytes("/slots/detect", MODEL).await.is(200);
    let keyed = tenant.with("idempotency-key", "k-1");
    let first = keyed.post_form("/tasks", &[("file", None, PICTURE), ("task", None, DETECT)]).await.is(201).json;
    let again = keyed.post_form("/tasks", &[("task", None, DETECT), ("file", None, PICTURE)]).await.is(201).json;
    assert_eq!(first["task_id"], again["task_id"]);
    let other = [PICTURE, b"!"].concat();
    let refused = keyed.post_form("/tasks", &[("file", None, &other), ("task", None, DETECT)]).await;
    refused.refuses(409, "idempotency_conflict");
    assert_eq!(app.objects().len(), 3);
    assert_eq!(tenant.get("/media").await.json["total"], 1);
}

#[tokio::test]
async fn a_tenant_that_has_too_much_open_must_wait() {
    let app = TestApp::with(|settings| settings.open_tasks_per_tenant = 2).await;
    let (tenant, other) = (app.tenant("a").await, app.tenant("b").await);
    let first = tenant.noop().await;
    tenant.noop().await;
    let refused = tenant.post("/tasks", json!({ "task_type": "noop" })).await.refuses(429, "quota_exceeded");
    assert_eq!(refused.header("retry-after"), "1");
    other.noop().await;
    tenant.post(&format!("/tasks/{first}/cancel"), Value::Null).await.is(200);
    app.clock.advance(std::time::Duration::from_secs(1));
    tenant.noop().await;
    tenant.post("/tasks", json!({ "task_type": "noop" })).await.refuses(429, "quota_exceeded");
    let usage = tenant.get("/usage").await.is(200).json;
    assert_eq!((&usage["open_tasks"], &usage["open_tasks_limit"]), (&json!(2), &json!(2)));
}

#[tokio::test]
async fn an_operator_must_name_the_tenant() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let id = tenant.get("/me").await.json["tenant"]["id"].as_str().unwrap().to_owned();
    let operator = app.operator();
    let noop = json!({ "task_type": "noop" });
    for client in [operator.clone(), operator.with("x-tenant-id", "")] {
        let refused = client.post("/tasks", noop.clone()).await.refuses(400, "malformed_request");
        assert!(refused.json["detail"].as_str().unwrap().contains("tenant_id is required"));
    }
    operator.with("x-tenant-id", "a").post("/tasks", noop.clone()).await.is(201);
    operator.with("x-tenant-id", &id).post("/tasks", noop.clone()).await.is(201);
    assert_eq!(tenant.get("/tasks").await.json["total"], 2);
    for unknown in ["b", "../a", "A", &ortolan_domain::TenantId::generate().to_string()] {
        operator.with("x-tenant-id", unknown).post("/tasks", noop.clone()).await.refuses(404, "not_found");
    }
    tenant.with("x-tenant-id", "a").post("/tasks", noop.clone()).await.is(201);
    for other in ["b", "no-such-tenant"] {
        tenant.with("x-tenant-id", other).post("/tasks", noop.clone()).await.refuses(403, "forbidden");
    }
}

#[tokio::test]
async fn a_slot_that_had_a_model_a_moment_ago_is_not_asked_for_again() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let media = ready_for_detection(&tenant).await;
    let detection = json!({ "task_type": "object_detection", "media_id": media });
    tenant.post("/tasks", detection.clone()).await.is(201);
    // By hand: nobody is told of it.
    std::fs::remove_file(app.objects_folder().join("models/a/detect.onnx")).unwrap();
    tenant.post("/tasks", detection.clone()).await.is(201);
    app.clock.advance(std::time::Duration::from_secs(5));
    tenant.post("/tasks", detection.clone()).await.refuses(400, "model_not_found");
    tenant.put_bytes("/slots/detect", MODEL).await.is(200);
    tenant.post("/tasks", detection.clone()).await.is(201);
    tenant.delete("/slots/detect").await.is(204);
    tenant.post("/tasks", detection).await.refuses(400, "model_not_found");
}
