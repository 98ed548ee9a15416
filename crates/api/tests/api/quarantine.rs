//! Models and inputs that are not run together again.

use ortolan_store::CrashPair;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{MODEL, PICTURE, TestApp, ready_for_detection};

fn pair() -> CrashPair {
    let digest = |bytes: &[u8]| ortolan_domain::hash::sha256_hex(bytes);
    CrashPair { model_sha256: digest(MODEL), input_hash: digest(PICTURE) }
}

/// Lets the picture crash the model of the tenant three times; the quarantine's id.
pub async fn quarantined(app: &TestApp, tenant_id: &Value) -> String {
    let tenant = tenant_id.as_str().unwrap().parse().unwrap();
    let now = ortolan_domain::Clock::now(app.clock.as_ref());
    let store = &app.wired.stores.quarantine;
    for _ in 0..2 {
        store.record_crash(tenant, &pair(), "detect", now).await.unwrap();
    }
    store.record_crash(tenant, &pair(), "detect", now).await.unwrap().id.to_string()
}

#[tokio::test]
async fn a_pair_that_crashed_three_times_is_refused_until_it_is_lifted() {
    let app = TestApp::new().await;
    let (tenant, other) = (app.tenant("a").await, app.tenant("b").await);
    let (media, others) = (ready_for_detection(&tenant).await, ready_for_detection(&other).await);
    let me = tenant.get("/me").await.json["tenant"]["id"].clone();
    let id = quarantined(&app, &me).await;
    let wish = |media: &str| json!({ "task_type": "object_detection", "media_id": media });
    let refused = tenant.post("/tasks", wish(&media)).await.refuses(422, "quarantined");
    let detail = refused.json["detail"].as_str().unwrap();
    assert!(detail.contains(&pair().model_sha256) && detail.contains(&pair().input_hash) && detail.contains(&id));
    other.post("/tasks", wish(&others)).await.is(201);
    let another = tenant.upload(&[PICTURE, b"!"].concat()).await;
    tenant.post("/tasks", wish(&another)).await.is(201);

    let listed = tenant.get("/quarantine").await.is(200).json;
    assert_eq!(
        (&listed["total"], &listed["items"][0]["id"], &listed["items"][0]["crashes"]),
        (&json!(1), &json!(id), &json!(3))
    );
    assert_eq!(other.get("/quarantine").await.is(200).json["total"], 0);
    let operator = app.operator().with("x-tenant-id", "a");
    operator.delete(&format!("/quarantine/{}", Uuid::now_v7())).await.refuses(404, "not_found");
    operator.delete("/quarantine/7").await.refuses(400, "malformed_request").naming("quarantine_id");
    app.operator().with("x-tenant-id", "b").delete(&format!("/quarantine/{id}")).await.refuses(404, "not_found");
    assert_eq!(operator.delete(&format!("/quarantine/{id}")).await.status, 204);
    tenant.post("/tasks", wish(&media)).await.is(201);
}

#[tokio::test]
async fn pipelines_and_their_requests_stand_at_the_same_door() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let media = ready_for_detection(&tenant).await;
    quarantined(&app, &tenant.get("/me").await.json["tenant"]["id"]).await;
    let definition = json!({ "chain": [{ "step": { "name": "detection" } }] });
    let task = json!({ "task_type": "pipeline", "media_id": media, "config": { "pipeline_definition": definition } });
    tenant.post("/tasks", task).await.refuses(422, "quarantined");
    let uuid = Uuid::nil();
    let process = json!({ "tenant_id": "a", "session_id": uuid, "image_id": uuid, "image_url": format!("media://{media}"), "pipeline_definition": definition });
    let refused = tenant.post("/tasks/process", process).await.refuses(422, "quarantined");
    assert!(refused.json["detail"].as_str().unwrap().contains(&pair().input_hash));
}

#[tokio::test]
async fn a_job_whose_inputs_crashed_its_model_is_refused_and_a_prediction_too() {
    let app = TestApp::new().await;
    let tenant = app.tenant("acme").await;
    let model = app.ready_model("acme", "iris", "1.0.0").await;
    let crashing = json!({ "x": [[crate::support::CRASHING, 0, 0, 0]] });
    let predict = json!({ "input_data": crashing });
    for _ in 0..3 {
        tenant.post(&format!("/models/{model}/predict"), predict.clone()).await.refuses(500, "crashed");
    }
    let job = |inputs: &Value| json!({ "model_id": model.to_string(), "input_data": inputs });
    let refused = tenant.post("/jobs", job(&crashing)).await.refuses(422, "quarantined");
    assert!(refused.json["detail"].as_str().unwrap().contains("ask an operator to lift quarantine"));
    tenant.post("/jobs", job(&json!({ "x": [[1, 0, 0, 0]] }))).await.is(201);
    // Another process knows it, too, though nothing crashed there.
    let beside = tenant.at(app.beside());
    beside.post(&format!("/models/{model}/predict"), predict.clone()).await.refuses(422, "quarantined");
    let lifted = app.operator().with("x-tenant-id", "acme").delete("/quarantine").await.is(200);
    assert_eq!(lifted.json, json!({ "lifted": 1 }));
    tenant.post("/jobs", job(&crashing)).await.is(201);
}

#[tokio::test]
async fn a_new_model_in_the_slot_is_another_pair() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let media = ready_for_detection(&tenant).await;
    quarantined(&app, &tenant.get("/me").await.json["tenant"]["id"]).await;
    let wish = json!({ "task_type": "object_detection", "media_id": media });
    tenant.post("/tasks", wish.clone()).await.refuses(422, "quarantined");
    tenant.put_bytes("/slots/detect", &[MODEL, b"2"].concat()).await.is(200);
    tenant.post("/tasks", wish.clone()).await.is(201);
    tenant.put_bytes("/slots/detect", MODEL).await.is(200);
    tenant.post("/tasks", wish.clone()).await.refuses(422, "quarantined");
    let lifted = app.operator().with("x-tenant-id", "a").delete("/quarantine").await.is(200);
    assert_eq!(lifted.json, json!({ "lifted": 1 }));
    tenant.post("/tasks", wish).await.is(201);
}
