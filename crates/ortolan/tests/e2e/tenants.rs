//! Nothing of one tenant reaches another.

use std::collections::BTreeSet;

use ortolan_testkit::{Server, Tenant, fixtures};
use serde_json::{Value, json};

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
async fn a_file_at_the_old_place_for_everybody_is_nobodys_model() {
    let server = server().await;
    let tenant = tenant_with_detector(&server, "tenant-003").await;
    let media = tenant.media("a.png", fixtures::read("images/shapes_a.png")).await.unwrap();
    let (models, segmenter) = (server.data().join("objects/models"), fixtures::path("models/shapes_seg_160.onnx"));
    std::fs::copy(&segmenter, models.join("segment.onnx")).unwrap();
    let body = json!({"task_type": "segmentation", "media_id": media, "config": {}});
    let problem = tenant.post("/tasks", body).await.unwrap().expect(400).unwrap();
    assert_eq!(problem["detail"], "Model 'segment' not found for tenant 'tenant-003'");
    assert_eq!(problem["code"], "model_not_found");
    // The same file in the tenant's own place is a model: it was only the place that was wrong.
    std::fs::copy(&segmenter, models.join("tenant-003/segment.onnx")).unwrap();
    let task = tenant.submit("segmentation", Some(&media), json!({})).await.unwrap();
    assert_eq!(tenant.wait(&task).await.unwrap()["status"], "completed");
}

/// A tenant with a detector and a version called `net`, both of which answer otherwise than any other tenant's.
struct Party {
    tenant: Tenant,
    media: String,
    /// What its detector finds.
    finds: &'static str,
    /// What its `net` gives for `(0, 0, 0, x)`.
    net: fn(f64) -> Vec<f64>,
}

impl Party {
    async fn join(
        server: &Server,
        name: &str,
        [detector, net]: [&str; 2],
        finds: &'static str,
        gives: fn(f64) -> Vec<f64>,
    ) -> Self {
        let tenant = server.tenant(name).await.unwrap();
        tenant.put_slot("detect", fixtures::read(detector)).await.unwrap().expect(200).unwrap();
        tenant.ready_model("net", "1.0.0", fixtures::read(net)).await.unwrap();
        let media = tenant.media("a.png", fixtures::read("images/shapes_a.png")).await.unwrap();
        Self { tenant, media, finds, net: gives }
    }

    async fn submit(&self) -> String {
        let config = json!({"confidence_threshold": 0.25});
        self.tenant.submit("object_detection", Some(&self.media), config).await.unwrap()
    }

    async fn predict(&self, server: &Server, x: f64) {
        let tensor = json!({"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [0.0, 0.0, 0.0, x]});
        let request = server.client().post(server.url("/v2/models/net/infer")).bearer_auth(&self.tenant.key);
        let answer = request.json(&json!({"inputs": [tensor]})).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let answer: Value = answer.json().await.unwrap();
        let given: Vec<f64> = serde_json::from_value(answer["outputs"][0]["data"].clone()).unwrap();
        let own = (self.net)(x);
        let is_own = given.len() == own.len() && given.iter().zip(&own).all(|(given, own)| (given - own).abs() < 1e-3);
        assert!(is_own, "{}: {x} gave {given:?}, not {own:?}", self.tenant.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_requests_at_once_none_is_answered_by_another_tenants_model() {
    let server = &server().await;
    let shapes = ["models/shapes_det_160.onnx", "models/identity.onnx"];
    let poses = ["models/layouts/layout_pose3_160.onnx", "models/matmul.onnx"];
    let parties = &[
        Party::join(server, "shapes", shapes, "object.detection", |x| vec![0.0, 0.0, 0.0, x]).await,
        Party::join(server, "poses", poses, "object.pose", |x| vec![0.9 * x, x, 1.1 * x]).await,
    ];
    // By turns a task of each and a prediction of each; both tenants ask the same.
    let requests = (0..100).map(|n| async move {
        let party = &parties[n % 2];
        if n / 2 % 2 == 0 {
            return Some((party, party.submit().await));
        }
        party.predict(server, (n / 4 + 1) as f64).await;
        None
    });
    let tasks: Vec<_> = futures::future::join_all(requests).await.into_iter().flatten().collect();
    assert_eq!(tasks.len(), 50);
    let mut digests = BTreeSet::new();
    for (party, task) in tasks {
        assert_eq!(party.tenant.wait(&task).await.unwrap()["status"], "completed");
        let found = party.tenant.artifacts(&task).await.unwrap();
        assert!(!found.is_empty());
        for artifact in found {
            assert_eq!(artifact["artifact_type"], party.finds);
            digests.insert((party.finds, artifact["model_sha256"].to_string()));
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
