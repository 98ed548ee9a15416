//! Who talks to what, and how much.

use std::time::Duration;

use ortolan_testkit::{Cluster, query};

use crate::sockets::connections_to;
use crate::support::{PROGRAM, completes, noop, port_of, start_all, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_api_alone_never_drains_a_queue() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    cluster.start("api", &[]).unwrap();
    let client = reqwest::Client::new();
    until("the API is ready", async || {
        let answer = client.get(format!("{}/health/ready", cluster.base())).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    let tenant = cluster.operator().tenant("acme").await.unwrap();
    let tasks = [noop(&tenant, 0).await, noop(&tenant, 0).await];
    let waiting = || cluster.redis().command(&["LLEN", "{ortolan:cpu_jobs}:active"]).unwrap();
    until("both are in the queue", async || waiting() == "2").await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(waiting(), "2");
    for service in ["worker", "ml-service"] {
        cluster.start(service, &[]).unwrap();
    }
    for task in tasks {
        completes(&tenant, &task, &cluster).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pools_keep_to_their_sizes_under_load() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    let processes = start_all(&mut cluster, &["api", "worker", "reconciler", "ml-service"]).await;
    let tenant = cluster.operator().tenant("acme").await.unwrap();
    let clients: Vec<_> = (0..48)
        .map(|_| {
            let tenant = tenant.clone();
            tokio::spawn(async move {
                for _ in 0..8 {
                    let task = noop(&tenant, 0).await;
                    tenant.wait(&task).await.unwrap();
                }
            })
        })
        .collect();
    let (database, mut most) = (port_of(cluster.database_url()), [0; 4]);
    while !clients.iter().all(tokio::task::JoinHandle::is_finished) {
        for (most, &process) in most.iter_mut().zip(&processes) {
            *most = connections_to(cluster.pid(process), database).max(*most);
        }
        let seen =
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'ortolan'";
        let seen: usize = query(cluster.database_url(), seen).unwrap()[0][0].parse().unwrap();
        assert!(seen <= 20 + 10 + 10, "{seen} connections");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for client in clients {
        client.await.unwrap();
    }
    let [api, worker, reconciler, ml_service] = most;
    assert!((1..=20).contains(&api) && (1..=10).contains(&worker) && (1..=10).contains(&reconciler), "{most:?}");
    assert_eq!(ml_service, 0);
}
