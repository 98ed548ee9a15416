//! The production profile: the same product as separate processes, on a real PostgreSQL and Redis.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use ortolan_testkit::{Bucket, BucketKind, Cluster, Tenant, fixtures};
use serde_json::json;

/// Sockets of a process as the kernel lists them: local port, remote port, state.
fn sockets(pid: u32) -> Vec<(u16, u16, String)> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let links = descriptors.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let mine: BTreeSet<String> = links
        .filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']').map(str::to_owned))
        .collect();
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    let port = |address: &str| u16::from_str_radix(address.split(':').next_back().unwrap(), 16).unwrap();
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| mine.contains(row[9])).map(|row| (port(row[1]), port(row[2]), row[3].to_owned())).collect()
}

fn listens(pid: u32) -> bool {
    sockets(pid).iter().any(|(_, _, state)| state == "0A")
}

fn talks_to(pid: u32, port: u16) -> bool {
    sockets(pid).iter().any(|(_, remote, _)| *remote == port)
}

fn port_of(variable: &str) -> u16 {
    reqwest::Url::parse(&std::env::var(variable).unwrap()).unwrap().port().unwrap()
}

async fn detect(tenant: &Tenant) -> String {
    let media = tenant.media("b.jpg", fixtures::read("images/shapes_b.jpg")).await.unwrap();
    tenant.submit("object_detection", Some(&media), json!({"confidence_threshold": 0.25})).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_processes_do_what_one_does_and_survive_a_killed_worker() {
    let mut cluster = Cluster::prepare(env!("CARGO_BIN_EXE_ortolan")).unwrap();
    // In any order, and the ML service without a database at all.
    let cpu_worker = cluster.start("worker", &[]).unwrap();
    cluster.env("GPU_MODE", "gpu");
    let gpu_worker = cluster.start("worker", &[]).unwrap();
    let api = cluster.start("api", &[]).unwrap();
    let ml_service = cluster.start("ml-service", &["DATABASE_URL"]).unwrap();
    let reconciler = cluster.start("reconciler", &[]).unwrap();
    cluster.ready().await.unwrap();

    let tenant = cluster.operator().tenant("acme").await.unwrap();
    tenant.put_slot("detect", fixtures::read("models/shapes_det_160.onnx")).await.unwrap().expect(200).unwrap();
    let task = detect(&tenant).await;
    let done = tenant.wait(&task).await.unwrap();
    assert_eq!(done["status"], "completed", "{done} {}", cluster.logs());
    assert_eq!(tenant.artifacts(&task).await.unwrap().len(), 10);

    let database = port_of("ORTOLAN_TEST_POSTGRES_URL");
    assert!(listens(cluster.pid(api)) && listens(cluster.pid(ml_service)));
    for worker in [cpu_worker, gpu_worker, reconciler] {
        assert!(!listens(cluster.pid(worker)), "a worker or reconciler listens");
        assert!(talks_to(cluster.pid(worker), database));
    }
    assert!(!talks_to(cluster.pid(ml_service), database), "the ML service talks to the database");

    let sleeping = tenant.submit("noop", None, json!({"sleep_ms": 1000})).await.unwrap();
    tenant.wait_for(&sleeping, &["running"]).await.unwrap();
    cluster.kill(cpu_worker).unwrap();
    let other = cluster.start("worker", &["GPU_MODE"]).unwrap();
    let done = tenant.wait(&sleeping).await.unwrap();
    assert_eq!((&done["status"], &done["attempt"]), (&json!("completed"), &json!(2)), "{done} {}", cluster.logs());

    let running = tenant.submit("noop", None, json!({"sleep_ms": 60_000})).await.unwrap();
    tenant.wait_for(&running, &["running"]).await.unwrap();
    tenant.post(&format!("/tasks/{running}/cancel"), json!({})).await.unwrap().expect(200).unwrap();
    for process in [other, gpu_worker, api, reconciler, ml_service] {
        assert!(cluster.stop(process).unwrap().success(), "{}", cluster.logs());
    }
}

/// Starts five processes, in any order.
fn start_all(cluster: &mut Cluster) -> [usize; 5] {
    let cpu_worker = cluster.start("worker", &[]).unwrap();
    cluster.env("GPU_MODE", "gpu");
    let gpu_worker = cluster.start("worker", &[]).unwrap();
    let ml_service = cluster.start("ml-service", &["DATABASE_URL"]).unwrap();
    let reconciler = cluster.start("reconciler", &[]).unwrap();
    [cpu_worker, gpu_worker, ml_service, reconciler, cluster.start("api", &[]).unwrap()]
}

async fn without_a_shared_folder(kind: BucketKind, name: &str) {
    let bucket = Bucket::create(kind).await.unwrap();
    let mut cluster = Cluster::prepare(env!("CARGO_BIN_EXE_ortolan")).unwrap();
    for (name, value) in bucket.variables() {
        cluster.env(name, &value);
    }
    let processes = start_all(&mut cluster);
    cluster.ready().await.unwrap();

    let model = format!("models/{name}/detect.onnx");
    // A file at the conventional path is a model, though nobody told the product of it.
    let tenant = cluster.operator().tenant(name).await.unwrap();
    let media = tenant.media("b.jpg", fixtures::read("images/shapes_b.jpg")).await.unwrap();
    let body = json!({"task_type": "object_detection", "media_id": media});
    let refused = tenant.post("/tasks", body).await.unwrap().expect(400).unwrap();
    assert_eq!(refused["detail"], format!("Model 'detect' not found for tenant '{name}'"));
    bucket.put(&model, fixtures::read("models/shapes_det_160.onnx")).await.unwrap();
    let config = json!({"confidence_threshold": 0.25});
    let submit = || tenant.submit("object_detection", Some(&media), config.clone());
    let tasks = futures::future::join_all((0..20).map(|_| submit())).await;
    for task in tasks {
        let task = &task.unwrap();
        let done = tenant.wait(task).await.unwrap();
        assert_eq!(done["status"], "completed", "{done} {}", cluster.logs());
        assert_eq!(tenant.artifacts(task).await.unwrap().len(), 10);
    }
    assert_eq!(bucket.count("GET", &model).await.unwrap(), 1, "{}", cluster.logs());

    // The slot's door: staged, checked, moved to the conventional path; the next task uses it.
    tenant.put_slot("classify", fixtures::read("models/shapes_cls_64.onnx")).await.unwrap().expect(200).unwrap();
    let task = tenant.submit("classification", Some(&media), json!({})).await.unwrap();
    let done = tenant.wait(&task).await.unwrap();
    assert_eq!(done["status"], "completed", "{done} {}", cluster.logs());
    let left = bucket.contents().await.unwrap();
    let places = [format!("models/{name}/"), format!("{name}/media/")];
    assert!(left.iter().all(|object| places.iter().any(|place| object.starts_with(place))), "{left:?}");

    for process in processes {
        assert!(cluster.stop(process).unwrap().success(), "{}", cluster.logs());
    }
    assert!(!cluster.data().join("objects").exists(), "objects lie in a folder");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_nothing_but_a_bucket_of_s3() {
    without_a_shared_folder(BucketKind::S3, "in-s3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_nothing_but_a_bucket_of_google() {
    without_a_shared_folder(BucketKind::Gcs, "in-gcs").await;
}
