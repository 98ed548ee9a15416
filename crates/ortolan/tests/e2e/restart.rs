//! Whatever was acknowledged survives: a kill at any moment loses nothing and does nothing twice.

use ortolan_testkit::fixtures;
use serde_json::json;

use crate::{server, tenant_with_detector};

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_loses_nothing_and_doubles_nothing() {
    let mut server = server().await;
    let tenant = tenant_with_detector(&server, "acme").await;
    let media = tenant.media("b.jpg", fixtures::read("images/shapes_b.jpg")).await.unwrap();
    let mut tasks = Vec::new();
    for i in 0..60 {
        tasks.push(match i % 2 {
            0 => tenant.submit("noop", None, json!({"sleep_ms": 20})).await.unwrap(),
            _ => tenant.submit("object_detection", Some(&media), json!({"confidence_threshold": 0.25})).await.unwrap(),
        });
    }
    server.kill().unwrap();
    server.restart().await.unwrap();
    for (i, task) in tasks.iter().enumerate() {
        let done = tenant.wait(task).await.unwrap();
        assert_eq!(done["status"], "completed", "{done}");
        let artifacts = tenant.artifacts(task).await.unwrap();
        assert_eq!(artifacts.len(), if i % 2 == 0 { 0 } else { 10 });
        assert!(artifacts.iter().all(|artifact| artifact["run_id"] == done["run_id"]));
    }
    assert!(server.stop().await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_stop_and_start_keeps_keys_slots_and_results() {
    let mut server = server().await;
    let tenant = tenant_with_detector(&server, "acme").await;
    let media = tenant.media("a.png", fixtures::read("images/shapes_a.png")).await.unwrap();
    let task = tenant.submit("object_detection", Some(&media), json!({"confidence_threshold": 0.25})).await.unwrap();
    tenant.wait(&task).await.unwrap();
    let before = tenant.artifacts(&task).await.unwrap();
    assert!(server.stop().await.unwrap().success());
    server.restart().await.unwrap();
    assert_eq!(tenant.artifacts(&task).await.unwrap(), before);
    crate::detects(&tenant).await;
}
