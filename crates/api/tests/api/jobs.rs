//! Jobs: created, followed, cancelled, deleted.

use ortolan_api::ApiSettings;
use ortolan_domain::artifact::ArtifactType;
use serde_json::{Value, json};

use crate::support::{Client, TestApp, artifact};

async fn world() -> (TestApp, Client, Value) {
    let app = TestApp::new().await;
    let tenant = app.tenant("acme").await;
    let model = app.ready_model("acme", "iris", "1.0.0").await;
    let wish =
        json!({ "model_id": model.to_string(), "input_data": { "x": [[1, 9007199254740993i64]] }, "priority": "high" });
    (app, tenant, wish)
}

async fn create(tenant: &Client, wish: &Value) -> String {
    tenant.post("/jobs", wish.clone()).await.is(201).json["job_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_job_is_stored_followed_and_answered() {
    let (app, tenant, wish) = world().await;
    let made = tenant.post("/jobs", wish.clone()).await.is(201);
    let (id, job) = (made.json["job_id"].as_str().unwrap().to_owned(), made.json.clone());
    assert_eq!(made.header("location"), format!("/api/v1/jobs/{id}"));
    assert_eq!(
        (&job["status"], &job["priority"], &job["model_id"]),
        (&json!("pending"), &json!("high"), &wish["model_id"])
    );
    assert_eq!(job["input_data"], wish["input_data"], "exact beyond 2^53");

    let under_way = tenant.get(&format!("/jobs/{id}/result")).await.is(202).json;
    assert_eq!(under_way, json!({ "job_id": id, "status": "pending", "message": "Job is still processing" }));
    app.wired.dispatch().await;
    assert_eq!(tenant.get(&format!("/jobs/{id}")).await.is(200).json["status"], "queued");
    let task = app.wired.claim(&id).await;
    let running = tenant.get(&format!("/jobs/{id}")).await.is(200).json;
    assert_eq!((&running["status"], &running["worker_id"]), (&json!("running"), &json!("worker-1")));

    let waiting = tokio::spawn({
        let (tenant, path) = (tenant.clone(), format!("/jobs/{id}/result?wait=10"));
        async move { tenant.get(&path).await }
    });
    let given = artifact(&task, 0, ArtifactType::Prediction, json!({ "output_data": { "y": [[1.5]] } }));
    app.wired.complete_with(&task, vec![given]).await;
    let result = waiting.await.unwrap().is(200).json;
    assert_eq!((&result["status"], &result["result"]), (&json!("completed"), &json!({ "y": [[1.5]] })));
    assert_eq!(result["inference_time_ms"], 1.5);
    assert!(!result["completed_at"].is_null() && result["error_message"].is_null());
}

#[tokio::test]
async fn a_failed_job_tells_administrators_where() {
    let (app, tenant, wish) = world().await;
    let id = create(&tenant, &wish).await;
    let task = app.wired.run(&id).await;
    app.wired.fail(&task).await;
    let path = format!("/jobs/{id}/result");
    let result = tenant.get(&path).await.is(200).json;
    assert_eq!((&result["status"], &result["error_message"]), (&json!("failed"), &json!("the model failed")));
    assert!(result["error_traceback"].as_str().unwrap().contains("worker-1"), "{result}");
    let me = tenant.get("/me").await.is(200).json["tenant"]["id"].as_str().unwrap().to_owned();
    let reader = app.key(&me, &["read"]).await;
    assert_eq!(reader.get(&path).await.is(200).json["error_traceback"], Value::Null);
    let open = ApiSettings { expose_tracebacks: true, ..ApiSettings::default() };
    let shown = reader.at(app.beside_with(open)).get(&path).await.is(200).json;
    assert_eq!(shown["error_traceback"], result["error_traceback"]);
}

#[tokio::test]
async fn the_end_of_a_job_can_be_told_to_an_address() {
    let (app, tenant, mut wish) = world().await;
    wish["callback_url"] = json!("http://127.0.0.1/hook");
    tenant.post("/jobs", wish.clone()).await.refuses(422, "invalid_field").naming("callback_url");
    assert_eq!(tenant.get("/jobs").await.is(200).json["total"], 0, "nothing was stored");
    wish["callback_url"] = json!("https://example.org/hook");
    let id = create(&tenant, &wish).await;
    let told = tenant.get(&format!("/tasks/{id}/callbacks")).await.is(200).json;
    assert_eq!((&told["total"], app.wired.run(&id).await.spec.id.to_string()), (&json!(0), id.clone()), "not yet");
    tenant.post(&format!("/jobs/{id}/cancel"), json!({})).await.is(200);
    let told = tenant.get(&format!("/tasks/{id}/callbacks")).await.is(200).json;
    assert_eq!((&told["items"][0]["kind"], &told["items"][0]["event"]), (&json!("webhook"), &json!("cancelled")));
}

#[tokio::test]
async fn waits_are_bounded() {
    let (_app, tenant, wish) = world().await;
    let id = create(&tenant, &wish).await;
    for wait in ["31", "-1", "30.5"] {
        tenant.get(&format!("/jobs/{id}/result?wait={wait}")).await.refuses(422, "invalid_field").naming("wait");
    }
    tenant.get(&format!("/jobs/{id}/result?wait=soon")).await.refuses(400, "malformed_request");
    tenant.get(&format!("/jobs/{id}/result?wait=0.05")).await.is(202);
}

#[tokio::test]
async fn an_open_job_can_be_cancelled_and_an_ended_one_deleted() {
    let (app, tenant, wish) = world().await;
    let id = create(&tenant, &wish).await;
    app.wired.run(&id).await;
    let refusal = tenant.delete(&format!("/jobs/{id}")).await.refuses(409, "wrong_state");
    assert_eq!(refusal.json["detail"], "Cannot delete job in running status");
    let cancelled = tenant.post(&format!("/jobs/{id}/cancel"), json!({})).await.is(200);
    assert_eq!(cancelled.json["status"], "cancelled");
    let again = tenant.post(&format!("/jobs/{id}/cancel"), json!({})).await.refuses(409, "wrong_state");
    assert_eq!(again.json["detail"], "Cannot cancel job in cancelled status");
    tenant.delete(&format!("/jobs/{id}")).await.is(204);
    tenant.get(&format!("/jobs/{id}")).await.refuses(404, "not_found");
}

#[tokio::test]
async fn lists_show_jobs_only() {
    let (app, tenant, wish) = world().await;
    let noop = tenant.noop().await;
    let ids = [create(&tenant, &wish).await, create(&tenant, &wish).await];
    app.wired.run(&ids[0]).await;
    let page = tenant.get("/jobs?status=QUEUED,running&page_size=1").await.is(200).json;
    assert_eq!((&page["total"], &page["total_pages"], &page["page"]), (&json!(2), &json!(2), &json!(1)));
    assert_eq!(tenant.get("/jobs").await.is(200).json["total"], 2);
    tenant.get(&format!("/jobs/{noop}")).await.refuses(404, "not_found");
    tenant.get("/jobs?status=nonsense").await.refuses(400, "malformed_request").naming("status");
    tenant.get("/jobs?page_size=101").await.refuses(400, "malformed_request").naming("page_size");
}

#[tokio::test]
async fn models_that_cannot_answer_are_refused() {
    let (app, tenant, mut wish) = world().await;
    wish["model_id"] = json!(app.pending_model("acme", "iris", "2.0.0").await.to_string());
    tenant.post("/jobs", wish.clone()).await.refuses(400, "malformed_request");
    wish["model_id"] = json!(ortolan_domain::ModelId::generate().to_string());
    tenant.post("/jobs", wish.clone()).await.refuses(404, "not_found");
    wish["input_data"] = json!([1]);
    tenant.post("/jobs", wish).await.refuses(422, "invalid_field");
}

#[tokio::test]
async fn a_prediction_becomes_a_job_when_it_is_preferred() {
    let (_app, tenant, wish) = world().await;
    let path = format!("/models/{}/predict", wish["model_id"].as_str().unwrap());
    let body = json!({ "input_data": wish["input_data"] });
    let accepted = tenant.with("prefer", "respond-async, wait=1").post(&path, body.clone()).await.is(202);
    assert_eq!((&accepted.json["status"], &accepted.json["model_id"]), (&json!("pending"), &wish["model_id"]));
    tenant.get(accepted.header("location").strip_prefix("/api/v1").unwrap()).await.is(200);
    let same = tenant.with("prefer", "respond-async").with("idempotency-key", "k");
    let (one, two) = (same.post(&path, body.clone()).await.is(202), same.post(&path, body).await.is(202));
    assert_eq!(one.json["job_id"], two.json["job_id"]);
}
