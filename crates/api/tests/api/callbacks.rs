//! Callbacks at the door: which addresses are taken, what is written down, and what webhooks are signed with.

use std::time::Duration;

use ortolan_domain::TaskId;
use ortolan_store::{Delivery, DeliveryClaim, DeliveryOutcome, DeliveryStatus};
use serde_json::{Value, json};

use crate::support::{Client, TestApp, ready_for_detection};

const HOOK: &str = "https://example.org/hook";

fn noop(callback_url: &str) -> Value {
    json!({"task_type": "noop", "callback_url": callback_url})
}

async fn submit(tenant: &Client, callback_url: &str) -> String {
    let made = tenant.post("/tasks", noop(callback_url)).await.is(201).json;
    made["task_id"].as_str().unwrap().to_owned()
}

/// A task that has ended, and what is to be done because of it.
async fn ended(app: &TestApp, tenant: &Client) -> String {
    let id = submit(tenant, HOOK).await;
    let task = app.wired.run(&id).await;
    app.wired.complete(&task).await;
    id
}

async fn listed(tenant: &Client, task: &str) -> Value {
    let list = tenant.get(&format!("/tasks/{task}/callbacks")).await.is(200).json;
    assert_eq!(list["items"].as_array().unwrap().len() as u64, list["total"].as_u64().unwrap());
    list["items"].clone()
}

/// Takes and ends the one delivery of a tenant, as a sender would.
async fn deliver(app: &TestApp, task: &str, status: DeliveryStatus) -> Delivery {
    let (callbacks, now) = (&app.wired.stores.callbacks, app.now());
    let tenant = callbacks.owed(now).await.unwrap()[0];
    let claim = DeliveryClaim { owner: "s".to_owned(), now, tenant, lease: Duration::from_secs(60), limit: 1 };
    let delivery = callbacks.claim_deliveries(claim).await.unwrap().remove(0);
    assert_eq!(delivery.key.task_id, task.parse::<TaskId>().unwrap());
    let outcome = DeliveryOutcome { status, due_at: now, answer: Some(503), error: Some("no".to_owned()) };
    assert!(callbacks.end_delivery(delivery.key, "s", outcome, now).await.unwrap());
    delivery
}

#[tokio::test]
async fn an_address_that_cannot_be_called_is_refused_and_named() {
    let app = TestApp::new().await;
    let tenant = app.tenant("acme").await;
    let long = format!("https://example.org/{}", "x".repeat(2_000));
    for bad in [
        "",
        "nope",
        "ftp://example.org/",
        "https://",
        "https://user:pass@example.org/",
        "http://127.0.0.1/hook",
        "http://2130706433/hook",
        "http://[::1]/hook",
        "http://[::ffff:10.0.0.1]/hook",
        "http://169.254.169.254/latest/meta-data",
        &long,
    ] {
        tenant.post("/tasks", noop(bad)).await.refuses(422, "invalid_field").naming("callback_url");
    }
    assert_eq!(tenant.get("/tasks").await.is(200).json["total"], 0, "nothing was submitted");
}

#[tokio::test]
async fn an_installation_can_do_without_webhooks() {
    let app = TestApp::with(|settings| settings.webhooks = false).await;
    let tenant = app.tenant("acme").await;
    tenant.post("/tasks", noop(HOOK)).await.refuses(422, "invalid_field").naming("callback_url");
}

#[tokio::test]
async fn an_end_is_owed_to_the_receiver_and_can_be_asked_for_again() {
    let app = TestApp::new().await;
    let tenant = app.tenant("acme").await;
    let open = submit(&tenant, HOOK).await;
    assert_eq!(listed(&tenant, &open).await, json!([]));
    let task = ended(&app, &tenant).await;
    let owed = listed(&tenant, &task).await[0].clone();
    let expected = json!({
        "webhook_id": owed["webhook_id"], "kind": "webhook", "url": HOOK, "event": "completed", "status": "pending",
        "attempts": 0, "last_status": null, "last_error": null, "next_attempt_at": "2026-01-02T03:04:07Z", "tries": [],
        "created_at": "2026-01-02T03:04:07Z", "ended_at": null,
    });
    assert_eq!(owed, expected);

    let path = format!("/tasks/{task}/callbacks/redeliver");
    let wish = json!({"webhook_id": owed["webhook_id"]});
    tenant.post(&path, wish.clone()).await.refuses(409, "wrong_state");
    let other = json!({"webhook_id": "msg_other"});
    tenant.post(&path, other).await.refuses(422, "invalid_field").naming("webhook_id");
    app.clock.advance(Duration::from_secs(10));
    deliver(&app, &task, DeliveryStatus::Dead).await;
    let dead = listed(&tenant, &task).await[0].clone();
    assert_eq!(
        (&dead["status"], &dead["last_status"], &dead["last_error"]),
        (&json!("dead"), &json!(503), &json!("no"))
    );
    assert_eq!((&dead["next_attempt_at"], &dead["tries"][0]["number"]), (&Value::Null, &json!(1)));
    let again = tenant.post(&path, wish).await.is(200).json;
    assert_eq!(
        (&again["status"], &again["attempts"], &again["ended_at"]),
        (&json!("pending"), &json!(1), &Value::Null)
    );
    let second = deliver(&app, &task, DeliveryStatus::Delivered).await;
    assert_eq!((second.attempts, second.attempts_before), (2, 1));
}

#[tokio::test]
async fn another_address_is_another_request() {
    let app = TestApp::new().await;
    let tenant = app.tenant("acme").await.with("idempotency-key", "k");
    let first = submit(&tenant, HOOK).await;
    assert_eq!(submit(&tenant, HOOK).await, first);
    tenant.post("/tasks", noop("https://example.org/other")).await.refuses(409, "idempotency_conflict");
}

#[tokio::test]
async fn results_are_sent_only_where_there_is_a_backend() {
    let pipeline = |media: &str| {
        let step = |name: &str| json!({"step": {"name": name}});
        let chain = json!([step("detection"), step("upload_image"), step("send_results_backend")]);
        json!({"task_type": "pipeline", "media_id": media, "config": {"pipeline_definition": {"chain": chain}}})
    };
    let app = TestApp::new().await;
    let tenant = app.tenant("acme").await;
    let media = ready_for_detection(&tenant).await;
    let refused = tenant.post("/tasks", pipeline(&media)).await.refuses(400, "invalid_pipeline");
    assert!(refused.json["detail"].as_str().unwrap().contains("callback.backend_url"), "{}", refused.json);

    let app = TestApp::with(|settings| settings.has_backend = true).await;
    let tenant = app.tenant("acme").await;
    let media = ready_for_detection(&tenant).await;
    let made = tenant.post("/tasks", pipeline(&media)).await.is(201).json;
    let id = made["task_id"].as_str().unwrap();
    tenant.post(&format!("/tasks/{id}/cancel"), json!({})).await.is(200);
    let owed = listed(&tenant, id).await;
    let kinds: Vec<_> = owed.as_array().unwrap().iter().map(|one| (&one["kind"], &one["event"])).collect();
    assert_eq!(kinds, [(&json!("pictures"), &json!("cancelled")), (&json!("backend"), &json!("cancelled"))]);
}

#[tokio::test]
async fn a_secret_is_shown_once_and_the_one_before_it_signs_for_a_while() {
    let app = TestApp::new().await;
    let tenant = app.tenant("acme").await;
    let none = tenant.get("/webhook-secret").await.is(200).json;
    assert_eq!(none, json!({"created_at": null, "previous_until": null}));
    let first = tenant.post("/webhook-secret", json!({})).await.is(201);
    assert_eq!((first.header("cache-control"), &first.json["previous_until"]), ("no-store", &Value::Null));
    let text = first.json["secret"].as_str().unwrap();
    assert!(text.starts_with("whsec_") && text.len() > 40, "{text}");
    let second = tenant.post("/webhook-secret", json!({})).await.is(201).json;
    assert_ne!(second["secret"], first.json["secret"]);
    assert_eq!(second["previous_until"], "2026-01-03T03:04:05Z");
    let shown = tenant.get("/webhook-secret").await.is(200);
    assert!(!String::from_utf8_lossy(&shown.bytes).contains("whsec_"), "{}", shown.json);
    let other = app.tenant("other").await;
    assert_eq!(other.get("/webhook-secret").await.is(200).json["created_at"], Value::Null);
}
