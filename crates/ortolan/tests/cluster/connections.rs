//! Who talks to what, and how much.

use std::time::Duration;

use ortolan_testkit::{Cluster, Tenant, query};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::sockets::connections_to;
use crate::support::{PROGRAM, completes, noop, port_of, start_all, until};

/// What each process has to Redis for results, signals and caches (`redis.max_connections`).
const POOL: usize = 10;
/// The most that each has: its pool, one on which it asks its queues, and one for each queue that it takes from, which wakes it.
const MOST_TO_REDIS: [(&str, usize); 4] =
    [("api", POOL + 1), ("worker", POOL + 3), ("reconciler", POOL + 1), ("ml-service", POOL + 2)];

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
    while !clients.iter().all(JoinHandle::is_finished) {
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

/// A client who waits for the end of its task.
async fn wait_for_one(tenant: Tenant) {
    let wish = json!({"task_type": "noop", "config": {"sleep_ms": 2_000}});
    let request = tenant.request(reqwest::Method::POST, "/tasks").header("prefer", "wait=30").json(&wish);
    tenant.send(request).await.unwrap().expect(201).unwrap();
}

/// A client who has twenty tasks done.
async fn work_off_twenty(tenant: Tenant) {
    let mut tasks = Vec::new();
    for _ in 0..20 {
        tasks.push(noop(&tenant, 500).await);
    }
    for task in tasks {
        assert_eq!(tenant.wait(&task).await.unwrap()["status"], "completed");
    }
}

/// 200 tasks, and 50 clients who wait.
fn load(tenant: &Tenant) -> Vec<JoinHandle<()>> {
    let waiting = (0..50).map(|_| tokio::spawn(wait_for_one(tenant.clone())));
    let working = (0..10).map(|_| tokio::spawn(work_off_twenty(tenant.clone())));
    waiting.chain(working).collect()
}

/// How many clients Redis has, the one that asks among them.
fn clients(cluster: &Cluster) -> usize {
    cluster.redis().command(&["CLIENT", "LIST"]).unwrap().lines().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_redis_do_not_grow_with_what_is_under_way() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    let processes = start_all(&mut cluster, &MOST_TO_REDIS.map(|(service, _)| service)).await;
    let tenant = cluster.operator().tenant("acme").await.unwrap();
    // What is connected when it is first used is so from now on.
    let first = noop(&tenant, 0).await;
    completes(&tenant, &first, &cluster).await;
    let redis = cluster.redis().port();
    let held =
        || -> Vec<usize> { processes.iter().map(|&process| connections_to(cluster.pid(process), redis)).collect() };
    until("all pools are connected", async || held().iter().all(|&count| count >= POOL)).await;
    let (idle, mut loaded, mut most) = (clients(&cluster), 0, held());
    let load = load(&tenant);
    while !load.iter().all(JoinHandle::is_finished) {
        loaded = clients(&cluster).max(loaded);
        most = most.into_iter().zip(held()).map(|(most, now)| most.max(now)).collect();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for client in load {
        client.await.unwrap();
    }
    for ((service, limit), most) in MOST_TO_REDIS.into_iter().zip(most) {
        assert!(most <= limit, "{service} had {most} connections to Redis, at most {limit} are its own");
    }
    let few_more = idle + processes.len();
    assert!((processes.len() * POOL..=few_more).contains(&loaded), "{idle} clients of Redis became {loaded}");
}
