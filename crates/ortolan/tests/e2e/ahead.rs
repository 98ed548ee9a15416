//! Pictures that are made ready before it is their turn on the device, as it is done for GPUs: the answers are the same, and
//! nothing is left behind.

use ortolan_testkit::{Server, Tenant, fixtures};
use serde_json::{Value, json};

use crate::{options, server, tenant_with_detector};

/// What each type of task finds in a picture.
async fn findings(tenant: &Tenant, media: &str) -> Vec<Vec<Value>> {
    let mut found = Vec::new();
    for (task_type, config) in [
        ("object_detection", json!({"confidence_threshold": 0.25})),
        ("sahi_detection", json!({"slice_width": 320, "slice_height": 320, "confidence_threshold": 0.25})),
    ] {
        let task = tenant.submit(task_type, Some(media), config).await.unwrap();
        assert_eq!(tenant.wait(&task).await.unwrap()["status"], "completed");
        let artifacts = tenant.artifacts(&task).await.unwrap();
        found.push(artifacts.into_iter().map(|mut artifact| artifact["payload"].take()).collect());
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_made_ready_ahead_give_the_same_and_no_cancel_keeps_a_place() {
    let ahead = options().env("ORTOLAN_ML__PICTURES_AHEAD", "2").env("GPU_CONCURRENCY", "1");
    let (ahead, usual) = (Server::start(ahead).await.unwrap(), server().await);
    let mut found = Vec::new();
    for server in [&ahead, &usual] {
        let tenant = tenant_with_detector(server, "acme").await;
        let media = tenant.media("b.jpg", fixtures::read("images/shapes_b.jpg")).await.unwrap();
        found.push(findings(&tenant, &media).await);
    }
    assert!(found[0].iter().all(|artifacts| !artifacts.is_empty()), "{:?}", found[0]);
    assert_eq!(found[0], found[1]);

    let tenant = tenant_with_detector(&ahead, "other").await;
    let media = tenant.media("big.jpg", fixtures::read("images/shapes_big.jpg")).await.unwrap();
    // More than there are places: were one kept, the last ones would wait for good.
    let mut tasks = Vec::new();
    for number in 0..16 {
        let task = tenant.submit("object_detection", Some(&media), json!({})).await.unwrap();
        if number % 2 == 0 {
            let answer = tenant.post(&format!("/tasks/{task}/cancel"), json!({})).await.unwrap();
            assert!(matches!(answer.status.as_u16(), 200 | 409), "{answer:?}");
        }
        tasks.push(task);
    }
    for (number, task) in tasks.iter().enumerate() {
        let ended = tenant.wait(task).await.unwrap();
        let expected: &[&str] = if number % 2 == 0 { &["cancelled", "completed"] } else { &["completed"] };
        assert!(expected.iter().any(|status| ended["status"] == *status), "{ended}");
    }
    crate::detects(&tenant).await;
}
