//! Results that nobody should have written, and objects that are not what they were.

use std::path::{Path, PathBuf};

use ortolan_testkit::{Cluster, fixtures};
use serde_json::json;

use crate::support::{PROGRAM, completes, detect, noop, start_all, tenant_with_model, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_foreign_result_fails_its_task_at_most() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    start_all(&mut cluster, &["api", "worker", "ml-service", "reconciler"]).await;
    let tenant = cluster.operator().tenant("acme").await.unwrap();

    let damaged = noop(&tenant, 30_000).await;
    tenant.wait_for(&damaged, &["running"]).await.unwrap();
    cluster.redis().command(&["SET", &format!("ml_result:{damaged}:1"), "{\"attempt\""]).unwrap();
    let failed = tenant.wait(&damaged).await.unwrap();
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!("invalid_result")), "{failed}");

    let other = noop(&tenant, 1_500).await;
    tenant.wait_for(&other, &["running"]).await.unwrap();
    cluster.redis().command(&["SET", &format!("ml_result:{other}:2"), "of an attempt that is not running"]).unwrap();
    let done = completes(&tenant, &other, &cluster).await;
    assert_eq!(done["attempt"], 1);

    let forged = "ml_result:0190c7a0-0000-7000-8000-000000000000:1";
    cluster.redis().command(&["SET", forged, "of no task at all"]).unwrap();
    tenant.post("/tasks/reconcile", json!({})).await.unwrap().expect(200).unwrap();
    for key in [forged.to_owned(), format!("ml_result:{other}:2")] {
        until("results that no run waits for are gone", async || {
            cluster.redis().command(&["EXISTS", &key]).unwrap() == "0"
        })
        .await;
    }
    let next = noop(&tenant, 0).await;
    completes(&tenant, &next, &cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_changed_or_went_since_then_fails_its_task_and_no_other() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    start_all(&mut cluster, &["api", "ml-service", "reconciler"]).await;
    let tenant = tenant_with_model(&cluster).await;
    let [changes, goes, stays] = ["images/shapes_d.jpg", "images/shapes_c.jpg", "images/shapes_b.jpg"];
    let (changed, gone, kept) =
        (detect(&tenant, changes).await, detect(&tenant, goes).await, detect(&tenant, stays).await);
    std::fs::write(stored(cluster.folder(), changes), fixtures::read(stays)).unwrap();
    std::fs::remove_file(stored(cluster.folder(), goes)).unwrap();
    cluster.env("GPU_MODE", "gpu");
    cluster.start("worker", &[]).unwrap();
    for (task, detail) in [(&changed, "Input hash mismatch"), (&gone, "the media is not there any more")] {
        let failed = tenant.wait(task).await.unwrap();
        assert_eq!(
            (&failed["status"], &failed["error"]["code"]),
            (&json!("failed"), &json!("invalid_field")),
            "{failed}"
        );
        assert!(failed["error"]["detail"].as_str().unwrap().contains(detail), "{failed}");
        assert!(tenant.artifacts(task).await.unwrap().is_empty());
    }
    completes(&tenant, &kept, &cluster).await;
}

/// The stored file with the bytes of a fixture.
fn stored(folder: &Path, fixture: &str) -> PathBuf {
    let (bytes, mut folders) = (fixtures::read(fixture), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path).unwrap() == bytes {
                return path;
            }
        }
    }
    panic!("{fixture} is stored nowhere")
}
