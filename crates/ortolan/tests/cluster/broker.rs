//! A broker that takes nothing for a while, and one that is started again.

use std::time::Duration;

use ortolan_testkit::Cluster;

use crate::support::{PROGRAM, completes, noop, start_all, under_way, until};

/// A setting with which Redis refuses to write, and the one with which it goes on.
const REFUSALS: [(&str, &str, &str); 2] = [("maxmemory", "1mb", "0"), ("min-replicas-to-write", "1", "0")];

#[tokio::test(flavor = "multi_thread")]
async fn while_the_broker_is_full_or_read_only_tasks_are_taken_and_wait() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    start_all(&mut cluster, &["api", "worker", "ml-service", "reconciler"]).await;
    let tenant = cluster.operator().tenant("acme").await.unwrap();
    let first = noop(&tenant, 0).await;
    completes(&tenant, &first, &cluster).await;
    for (setting, refusing, usual) in REFUSALS {
        cluster.redis().command(&["CONFIG", "SET", setting, refusing]).unwrap();
        let tasks = [noop(&tenant, 0).await, noop(&tenant, 0).await];
        tokio::time::sleep(Duration::from_millis(1500)).await;
        for task in &tasks {
            let status = tenant.task(task).await.unwrap()["status"].clone();
            // Queued for the moment of each try.
            assert!(status == "pending" || status == "queued", "{setting}: {status}");
        }
        cluster.redis().command(&["CONFIG", "SET", setting, usual]).unwrap();
        for task in tasks {
            completes(&tenant, &task, &cluster).await;
        }
    }
    assert!(cluster.logs().contains("tasks stay pending until they can be dispatched"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_the_broker_does_not_take_is_offered_until_it_does() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    start_all(&mut cluster, &["api", "worker", "ml-service", "reconciler"]).await;
    let tenant = cluster.operator().tenant("acme").await.unwrap();
    let refusals = || cluster.log("ml-service").matches("result could not be stored").count();
    for (setting, refusing, usual) in REFUSALS {
        let (task, before) = (under_way(&cluster, &tenant, 3_000).await, refusals());
        cluster.redis().command(&["CONFIG", "SET", setting, refusing]).unwrap();
        until("its result is refused", async || refusals() > before).await;
        assert_eq!(tenant.task(&task).await.unwrap()["status"], "running", "{setting}");
        cluster.redis().command(&["CONFIG", "SET", setting, usual]).unwrap();
        let done = completes(&tenant, &task, &cluster).await;
        assert_eq!(done["attempt"], 1, "{setting}: it was run once more: {done}");
    }
}

/// The deliveries that wait in the queue of no-ops, in their order.
fn waiting(cluster: &Cluster) -> Vec<String> {
    let listed = cluster.redis().command(&["LRANGE", "{ortolan:cpu_jobs}:active", "0", "-1"]).unwrap();
    listed.lines().map(str::to_owned).collect()
}

/// True when nothing is on its way to the append-only file: a killed server loses what it has not written yet.
fn has_written_all(cluster: &Cluster) -> bool {
    let told = cluster.redis().command(&["INFO", "persistence"]).unwrap();
    let is_zero = |name: &str| told.lines().any(|line| line.trim() == format!("{name}:0"));
    is_zero("aof_buffer_length") && is_zero("aof_pending_bio_fsync")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_in_a_queue_is_there_again_when_the_broker_is_started_again() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    // Without a worker nothing is taken, and without a reconciler nothing that got lost is sent again.
    start_all(&mut cluster, &["api", "ml-service"]).await;
    let tenant = cluster.operator().tenant("acme").await.unwrap();
    let tasks = [noop(&tenant, 0).await, noop(&tenant, 0).await, noop(&tenant, 0).await];
    until("they wait in the queue", async || waiting(&cluster).len() == tasks.len()).await;
    let before = waiting(&cluster);
    for in_order in [true, false] {
        until("all of it is written", async || has_written_all(&cluster)).await;
        cluster.redis_mut().end(in_order).unwrap();
        cluster.redis_mut().begin().unwrap();
        assert_eq!(waiting(&cluster), before, "ended in order: {in_order}");
    }
    cluster.start("worker", &[]).unwrap();
    for task in tasks {
        let done = completes(&tenant, &task, &cluster).await;
        assert_eq!(done["attempt"], 1, "it was sent once more: {done}");
    }
}
