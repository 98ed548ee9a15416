//! Cancelling works in every state, at once, and for good.

use ortolan_testkit::fixtures;
use serde_json::json;

use crate::{options, server, tenant_with_detector};

#[tokio::test(flavor = "multi_thread")]
async fn a_running_task_is_cancelled_when_the_call_returns_and_can_be_retried() {
    let server = server().await;
    let tenant = server.tenant("acme").await.unwrap();
    let task = tenant.submit("noop", None, json!({"sleep_ms": 30_000})).await.unwrap();
    tenant.wait_for(&task, &["running"]).await.unwrap();
    let cancelled = tenant.post(&format!("/tasks/{task}/cancel"), json!({})).await.unwrap().expect(200).unwrap();
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(tenant.task(&task).await.unwrap()["status"], "cancelled");
    tenant.post(&format!("/tasks/{task}/cancel"), json!({})).await.unwrap().expect(409).unwrap();

    tenant.post(&format!("/tasks/{task}/retry"), json!({})).await.unwrap().expect(200).unwrap();
    let running = tenant.wait_for(&task, &["running"]).await.unwrap();
    assert_eq!((&running["attempt"], &running["config"]["sleep_ms"]), (&json!(2), &json!(30_000)));
    tenant.post(&format!("/tasks/{task}/cancel"), json!({})).await.unwrap().expect(200).unwrap();
    assert!(tenant.artifacts(&task).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_waits_is_cancelled_and_never_runs() {
    // One task at a time: the second waits behind the first.
    let server = ortolan_testkit::Server::start(options().env("WORKER_CONCURRENCY", "1")).await.unwrap();
    let tenant = server.tenant("acme").await.unwrap();
    let first = tenant.submit("noop", None, json!({"sleep_ms": 30_000})).await.unwrap();
    tenant.wait_for(&first, &["running"]).await.unwrap();
    let second = tenant.submit("noop", None, json!({})).await.unwrap();
    tenant.post(&format!("/tasks/{second}/cancel"), json!({})).await.unwrap().expect(200).unwrap();
    tenant.post(&format!("/tasks/{first}/cancel"), json!({})).await.unwrap().expect(200).unwrap();
    let third = tenant.submit("noop", None, json!({})).await.unwrap();
    assert_eq!(tenant.wait(&third).await.unwrap()["status"], "completed");
    let second = tenant.task(&second).await.unwrap();
    assert_eq!((&second["status"], &second["started_at"]), (&json!("cancelled"), &json!(null)));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_cancels_leave_no_permit_behind() {
    let server = server().await;
    let tenant = tenant_with_detector(&server, "acme").await;
    let media = tenant.media("big.jpg", fixtures::read("images/shapes_big.jpg")).await.unwrap();
    for _ in 0..12 {
        let task = tenant.submit("object_detection", Some(&media), json!({})).await.unwrap();
        let answer = tenant.post(&format!("/tasks/{task}/cancel"), json!({})).await.unwrap();
        assert!(matches!(answer.status.as_u16(), 200 | 409), "{answer:?}");
        let ended = tenant.wait(&task).await.unwrap();
        if ended["status"] == "cancelled" {
            assert!(tenant.artifacts(&task).await.unwrap().is_empty());
        }
    }
    crate::detects(&tenant).await;
}
