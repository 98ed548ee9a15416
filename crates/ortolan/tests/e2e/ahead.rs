//! Pictures that are made ready before it is their turn on the device: the answers are the same, and nothing is left behind.

use ortolan_testkit::{Server, Tenant, fixtures};
use serde_json::{Value, json};

use crate::{options, tenant_with_detector};

/// Each type of task that looks at a whole picture or at its tiles.
fn kinds() -> [(&'static str, Value); 2] {
    [
        ("object_detection", json!({"confidence_threshold": 0.25})),
        ("sahi_detection", json!({"slice_width": 320, "slice_height": 320, "confidence_threshold": 0.25})),
    ]
}

/// What tasks of all kinds find in a picture, so many of each at once.
async fn findings(tenant: &Tenant, media: &str, at_once: usize) -> Vec<Vec<Value>> {
    let mut tasks = Vec::new();
    for (task_type, config) in kinds() {
        for _ in 0..at_once {
            tasks.push(tenant.submit(task_type, Some(media), config.clone()).await.unwrap());
        }
    }
    let mut found = Vec::new();
    for task in tasks {
        assert_eq!(tenant.wait(&task).await.unwrap()["status"], "completed");
        let artifacts = tenant.artifacts(&task).await.unwrap();
        found.push(artifacts.into_iter().map(|mut artifact| artifact["payload"].take()).collect());
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_made_ready_ahead_give_the_same_and_no_cancel_keeps_a_place() {
    const AT_ONCE: usize = 6;
    let one_permit = options().env("ORTOLAN_ML__PICTURES_AHEAD", "2").env("GPU_CONCURRENCY", "1");
    let server = Server::start(one_permit).await.unwrap();
    let tenant = tenant_with_detector(&server, "acme").await;
    let media = tenant.media("b.jpg", fixtures::read("images/shapes_b.jpg")).await.unwrap();
    // A task that comes alone finds the permit free, and its picture is decoded under it. Of many all but the first wait.
    let alone = findings(&tenant, &media, 1).await;
    let together = findings(&tenant, &media, AT_ONCE).await;
    assert!(alone.iter().all(|artifacts| !artifacts.is_empty()), "{alone:?}");
    for (together, alone) in together.chunks(AT_ONCE).zip(&alone) {
        assert!(together.iter().all(|artifacts| artifacts == alone), "{together:?}\n{alone:?}");
    }

    let tenant = tenant_with_detector(&server, "other").await;
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
