//! What the tests of this folder share.

use std::time::Duration;

use ortolan_testkit::{Cluster, Tenant, fixtures};
use serde_json::{Value, json};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_ortolan");

/// One process of each service, which answer and are well; gives their numbers in the order of the names.
pub async fn start_all(cluster: &mut Cluster, services: &[&str]) -> Vec<usize> {
    let processes = services.iter().map(|service| cluster.start(service, &[]).unwrap()).collect();
    cluster.ready().await.unwrap();
    processes
}

/// Submits a no-op.
pub async fn noop(tenant: &Tenant, sleep_ms: u64) -> String {
    tenant.submit("noop", None, json!({"sleep_ms": sleep_ms})).await.unwrap()
}

/// Submits a no-op, and waits until the ML service has it.
pub async fn under_way(cluster: &Cluster, tenant: &Tenant, sleep_ms: u64) -> String {
    let task = noop(tenant, sleep_ms).await;
    tenant.wait_for(&task, &["running"]).await.unwrap();
    until("the ML service has it", async || {
        cluster.redis().command(&["EXISTS", &format!("ml_lock:{task}:1")]).unwrap() == "1"
    })
    .await;
    task
}

/// Uploads a picture and a model, and submits a detection.
pub async fn detect(tenant: &Tenant, picture: &str) -> String {
    let media = tenant.media("picture", fixtures::read(picture)).await.unwrap();
    tenant.submit("object_detection", Some(&media), json!({"confidence_threshold": 0.25})).await.unwrap()
}

/// A tenant with a model.
pub async fn tenant_with_model(cluster: &Cluster) -> Tenant {
    let tenant = cluster.operator().tenant("acme").await.unwrap();
    tenant.put_slot("detect", fixtures::read("models/shapes_det_160.onnx")).await.unwrap().expect(200).unwrap();
    tenant
}

/// Waits until something is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..1200 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it was never so: {what}");
}

/// The task ends well.
pub async fn completes(tenant: &Tenant, task: &str, cluster: &Cluster) -> Value {
    let done = tenant.wait(task).await.unwrap();
    assert_eq!(done["status"], "completed", "{done} {}", cluster.logs());
    done
}

/// The port of an address.
pub fn port_of(url: &str) -> u16 {
    reqwest::Url::parse(url).unwrap().port().unwrap()
}
