//! Five processes do what one does.

use ortolan_testkit::{Cluster, Tenant, fixtures};
use serde_json::json;

use crate::sockets::{connections_to, listens};
use crate::support::{PROGRAM, completes, detect, noop, port_of, under_way, until};

#[tokio::test(flavor = "multi_thread")]
async fn five_processes_do_what_one_does_and_survive_a_killed_worker() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
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
    let task = detect(&tenant, "images/shapes_b.jpg").await;
    completes(&tenant, &task, &cluster).await;
    assert_eq!(tenant.artifacts(&task).await.unwrap().len(), 10);

    let database = port_of(cluster.database_url());
    assert!(listens(cluster.pid(api)) && listens(cluster.pid(ml_service)));
    for worker in [cpu_worker, gpu_worker, reconciler] {
        assert!(!listens(cluster.pid(worker)), "a worker or reconciler listens");
        assert!(connections_to(cluster.pid(worker), database) > 0);
    }
    assert_eq!(connections_to(cluster.pid(ml_service), database), 0, "the ML service talks to the database");
    for service in ["worker --check", "reconciler --check"] {
        let check = cluster.start(service, &[]).unwrap();
        assert!(cluster.wait(check).unwrap().success(), "{service}: {}", cluster.logs());
    }

    let sleeping = noop(&tenant, 1000).await;
    tenant.wait_for(&sleeping, &["running"]).await.unwrap();
    cluster.kill(cpu_worker).unwrap();
    let other = cluster.start("worker", &["GPU_MODE"]).unwrap();
    let done = completes(&tenant, &sleeping, &cluster).await;
    assert_eq!(done["attempt"], 2, "{done}");

    let running = noop(&tenant, 60_000).await;
    tenant.wait_for(&running, &["running"]).await.unwrap();
    tenant.post(&format!("/tasks/{running}/cancel"), json!({})).await.unwrap().expect(200).unwrap();
    for process in [other, gpu_worker, api, reconciler, ml_service] {
        assert!(cluster.stop(process).unwrap().success(), "{}", cluster.logs());
    }
    let check = cluster.start("reconciler --check", &[]).unwrap();
    assert_eq!(cluster.wait(check).unwrap().code(), Some(1), "who has stopped is not well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_a_killed_ml_service_had_is_run_again() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    for service in ["api", "worker", "reconciler"] {
        cluster.start(service, &[]).unwrap();
    }
    let ml_service = cluster.start("ml-service", &["DATABASE_URL"]).unwrap();
    cluster.ready().await.unwrap();
    let tenant = cluster.operator().tenant("acme").await.unwrap();
    let task = under_way(&cluster, &tenant, 2_000).await;
    cluster.kill(ml_service).unwrap();
    cluster.restart(ml_service).unwrap();
    let done = completes(&tenant, &task, &cluster).await;
    assert_eq!(done["attempt"], 2, "{done}");
}

/// Tries of a task in the test that stops the ML service more often than that.
const MAX_TRIES: usize = 2;

/// Which attempt of the task the ML service has; 0 while it has none.
async fn attempt_in_ml(cluster: &Cluster, tenant: &Tenant, task: &str) -> i64 {
    let now = tenant.task(task).await.unwrap();
    assert!(now["completed_at"].is_null(), "it ended: {now} {}", cluster.logs());
    let attempt = now["attempt"].as_i64().unwrap();
    let is_held = cluster.redis().command(&["EXISTS", &format!("ml_lock:{task}:{attempt}")]).unwrap() == "1";
    if is_held { attempt } else { 0 }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_the_ml_service_again_and_again_counts_as_no_try_of_the_run_that_it_had() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    cluster.env("JOB_MAX_RETRIES", &MAX_TRIES.to_string());
    for service in ["api", "worker", "reconciler"] {
        cluster.start(service, &[]).unwrap();
    }
    // It leaves its run a second when it is told to stop, and the run takes longer.
    let ml_service = cluster.start_with("ml-service", &[], &[("ORTOLAN_SERVER__DRAIN_TIMEOUT_S", "1")]).unwrap();
    cluster.ready().await.unwrap();
    let tenant = cluster.operator().tenant("acme").await.unwrap();
    let task = noop(&tenant, 5_000).await;
    let mut last = 0;
    for _ in 0..MAX_TRIES + 2 {
        until("it is run again", async || attempt_in_ml(&cluster, &tenant, &task).await > last).await;
        last = attempt_in_ml(&cluster, &tenant, &task).await;
        assert!(cluster.stop(ml_service).unwrap().success(), "{}", cluster.logs());
        cluster.restart(ml_service).unwrap();
    }
    let done = completes(&tenant, &task, &cluster).await;
    assert!(done["error"].is_null(), "{done}");
    assert!(done["attempt"].as_i64() > Some(last), "the last stop cut nothing off: {done}");
}
