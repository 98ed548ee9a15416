//! Files that attack the loader are refused at the slot's door, and the slot keeps what it had.

use ortolan_testkit::fixtures;

use crate::{detects, leaks_nothing, server, tenant_with_detector};

/// Detectors with odd metadata or odd numbers, which may be served as long as they do no harm.
fn may_be_served(file: &str) -> bool {
    ["det_", "names_", "imgsz_", "stride_", "meta_", "task_", "dup_"].iter().any(|prefix| file.starts_with(prefix))
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_models_are_refused_and_nobody_else_notices() {
    let mut server = server().await;
    let (tenant, other) = (tenant_with_detector(&server, "acme").await, tenant_with_detector(&server, "other").await);
    for (i, file) in fixtures::list("hostile/models").iter().enumerate() {
        let answer = tenant.put_slot("detect", fixtures::read(&format!("hostile/models/{file}"))).await.unwrap();
        let status = answer.status.as_u16();
        assert!(status == 422 || (status == 200 && may_be_served(file)), "{file}: {answer:?}");
        leaks_nothing(&answer.body.to_string());
        if status == 200 {
            runs_without_harm(&tenant, file).await;
            tenant.put_slot("detect", fixtures::read("models/shapes_det_160.onnx")).await.unwrap().expect(200).unwrap();
        }
        assert!(server.is_alive(), "{file} killed the server");
        if i % 20 == 0 {
            detects(&other).await;
        }
    }
    detects(&tenant).await;
    detects(&other).await;
}

/// A task on a model that was taken ends, one way or the other, and its answer is clean.
async fn runs_without_harm(tenant: &ortolan_testkit::Tenant, file: &str) {
    let media = tenant.media("a.png", fixtures::read("images/shapes_a.png")).await.unwrap();
    let task = tenant.submit("object_detection", Some(&media), serde_json::json!({})).await.unwrap();
    let ended = tenant.wait(&task).await.unwrap();
    assert!(matches!(ended["status"].as_str(), Some("completed" | "failed")), "{file}: {ended}");
    leaks_nothing(&ended.to_string());
    let artifacts = tenant.get(&format!("/tasks/{task}/artifacts?limit=100")).await.unwrap().expect(200).unwrap();
    leaks_nothing(&artifacts.to_string());
}
