//! A broker that takes nothing.

use std::time::Duration;

use ortolan_testkit::Cluster;

use crate::support::{PROGRAM, completes, noop, start_all};

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
