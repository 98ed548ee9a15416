//! Enqueueing, cancelling and trying again.

use ortolan_domain::TaskId;
use ortolan_domain::job::Attempt;
use serde_json::{Value, json};

use crate::support::TestApp;

#[tokio::test]
async fn a_pending_task_can_be_enqueued_once() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let id = tenant.noop().await;
    let path = format!("/tasks/{id}/enqueue");
    let right = json!({ "task_id": id, "job_id": format!("ml_{id}:1"), "status": "enqueued", "task_type": "noop", "video_id": null });
    assert_eq!(tenant.post(&path, Value::Null).await.is(200).json, right);
    let refused = tenant.post(&path, Value::Null).await.refuses(409, "wrong_state");
    assert_eq!(refused.json["detail"], "a queued task cannot be enqueued; only a pending one can");
    tenant.post(&format!("/tasks/{}/enqueue", TaskId::generate()), Value::Null).await.refuses(404, "not_found");
}

#[tokio::test]
async fn a_task_can_be_cancelled_until_it_ends() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let mut cancels = app.wired.signals.cancels();
    for (was, attempt) in [("pending", 0), ("queued", 1), ("running", 1)] {
        let id = tenant.noop().await;
        if was != "pending" {
            app.wired.dispatch().await;
        }
        if was == "running" {
            app.wired.claim(&id).await;
        }
        let path = format!("/tasks/{id}/cancel");
        let cancelled = tenant.post(&path, Value::Null).await.is(200).json;
        assert_eq!(
            cancelled,
            json!({ "task_id": id, "status": "cancelled", "message": format!("the {was} task was cancelled") })
        );
        assert_eq!(cancels.try_recv().unwrap(), Attempt { task_id: id.parse().unwrap(), attempt });
        assert_eq!(tenant.get(&format!("/tasks/{id}")).await.json["status"], "cancelled");
        tenant.post(&path, Value::Null).await.refuses(409, "wrong_state");
    }
}

#[tokio::test]
async fn a_failed_or_cancelled_task_can_be_tried_again_as_it_was() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let made = tenant.post("/tasks", json!({ "task_type": "noop", "config": { "sleep_ms": 7 } })).await.is(201).json;
    let id = made["task_id"].as_str().unwrap();
    let path = format!("/tasks/{id}/retry");
    tenant.post(&path, Value::Null).await.refuses(409, "wrong_state");
    let task = app.wired.run(id).await;
    app.wired.fail(&task).await;
    let right = json!({ "task_id": id, "job_id": format!("ml_{id}:2"), "status": "pending" });
    assert_eq!(tenant.post(&path, Value::Null).await.is(200).json, right);
    let again = tenant.get(&format!("/tasks/{id}")).await.json;
    assert_eq!(
        (&again["status"], &again["config"]["sleep_ms"], &again["error"]),
        (&json!("pending"), &json!(7), &json!(null))
    );
    let task = app.wired.run(id).await;
    assert_eq!(task.attempt, 2);
    app.wired.complete(&task).await;
    let refused = tenant.post(&path, Value::Null).await.refuses(409, "wrong_state");
    assert_eq!(refused.json["detail"], "a completed task cannot be retried; only a failed or cancelled one can");
}

#[tokio::test]
async fn reconciling_tells_a_tenant_numbers_only() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let stats = tenant.post("/tasks/reconcile", Value::Null).await.is(200).json;
    assert_eq!((&stats["pending_checked"], &stats["errors"]), (&json!(3), &json!([])));
    for field in ["pending_reenqueued", "running_checked", "running_synced", "long_running_alerted"] {
        assert!(stats[field].is_u64(), "{field}");
    }
    let full = app.operator().post("/tasks/reconcile", Value::Null).await.is(200).json;
    assert_eq!(full["errors"].as_array().unwrap().len(), 1);
}
