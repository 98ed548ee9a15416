//! Nothing of one tenant reaches another.

use std::collections::BTreeSet;

use ortolan_testkit::fixtures;
use serde_json::json;

use crate::{server, tenant_with_detector};

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_model_is_a_400_with_its_text_whatever_others_have() {
    let server = server().await;
    let _other = tenant_with_detector(&server, "other").await;
    let tenant = server.tenant("tenant-001").await.unwrap();
    let media = tenant.media("a.png", fixtures::read("images/shapes_a.png")).await.unwrap();
    let body = json!({"task_type": "object_detection", "media_id": media, "config": {}});
    let problem = tenant.post("/tasks", body).await.unwrap().expect(400).unwrap();
    assert!(
        problem["detail"].as_str().unwrap().contains("Model 'detect' not found for tenant 'tenant-001'"),
        "{problem}"
    );
    assert_eq!(problem["code"], "model_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tenants_models_never_mix() {
    let server = server().await;
    let shapes = tenant_with_detector(&server, "shapes").await;
    let poses = server.tenant("poses").await.unwrap();
    poses
        .put_slot("detect", fixtures::read("models/layouts/layout_pose3_160.onnx"))
        .await
        .unwrap()
        .expect(200)
        .unwrap();
    let mut tasks = Vec::new();
    let media = [
        shapes.media("a.png", fixtures::read("images/shapes_a.png")).await.unwrap(),
        poses.media("a.png", fixtures::read("images/shapes_a.png")).await.unwrap(),
    ];
    for i in 0..60 {
        let tenant = [&shapes, &poses][i % 2];
        let task = tenant
            .submit("object_detection", Some(&media[i % 2]), json!({"confidence_threshold": 0.25}))
            .await
            .unwrap();
        tasks.push((tenant, ["object.detection", "object.pose"][i % 2], task));
    }
    let mut digests = BTreeSet::new();
    for (tenant, kind, task) in tasks {
        assert_eq!(tenant.wait(&task).await.unwrap()["status"], "completed");
        for artifact in tenant.artifacts(&task).await.unwrap() {
            assert_eq!(artifact["artifact_type"], kind);
            digests.insert((kind, artifact["model_sha256"].to_string()));
        }
    }
    assert_eq!(digests.len(), 2, "{digests:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_ids_do_not_exist() {
    let server = server().await;
    let (a, b) = (tenant_with_detector(&server, "a").await, tenant_with_detector(&server, "b").await);
    let media = a.media("a.png", fixtures::read("images/shapes_a.png")).await.unwrap();
    let task = a.submit("noop", None, json!({})).await.unwrap();
    for path in [
        format!("/tasks/{task}"),
        format!("/tasks/{task}/artifacts"),
        format!("/media/{media}"),
        format!("/media/{media}/content"),
    ] {
        b.get(&path).await.unwrap().expect(404).unwrap();
    }
    for action in ["cancel", "retry", "enqueue"] {
        b.post(&format!("/tasks/{task}/{action}"), json!({})).await.unwrap().expect(404).unwrap();
    }
    let body = json!({"task_type": "object_detection", "media_id": media, "config": {}});
    b.post("/tasks", body).await.unwrap().expect(404).unwrap();
}
