//! Messages that cannot be read, slipped into queues past the product: their consumers drop them and go on.

use ortolan_testkit::Cluster;

use crate::support::{PROGRAM, completes, noop, start_all, until};

/// What is no message of ours: cut off, and of another kind.
const UNREADABLE: [(&str, &str); 2] = [("torn", "{\"task_id\":"), ("strange", "{\"colour\": \"red\"}")];

/// The name of one of a queue's keys.
fn key(queue: &str, part: &str) -> String {
    format!("{{ortolan:{queue}}}:{part}")
}

/// Puts a message into a queue, in the way in which apalis-redis keeps one.
fn slip_in(cluster: &Cluster, queue: &str, id: &str, body: &str) {
    let facts = ["attempts", "0", "max_attempts", "25", "status", "Pending"];
    let (data, meta, active) = (key(queue, "data"), key(queue, &format!("meta:{id}")), key(queue, "active"));
    cluster.redis().command(&["HSET", &data, id, body]).unwrap();
    let told: Vec<&str> = ["HSET", meta.as_str()].into_iter().chain(facts).collect();
    cluster.redis().command(&told).unwrap();
    cluster.redis().command(&["RPUSH", &active, id]).unwrap();
}

/// True when a service has said that it dropped that message.
fn is_dropped(cluster: &Cluster, service: &str, id: &str) -> bool {
    let log = cluster.log(service);
    let mut dropped = log.lines().filter(|line| line.contains("delivery cannot be read and was dropped"));
    dropped.any(|line| line.contains(&format!("id={id}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_cannot_be_read_is_dropped_and_the_next_ones_are_taken() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    let processes = start_all(&mut cluster, &["api", "worker", "ml-service", "reconciler"]).await;
    let tenant = cluster.operator().tenant("acme").await.unwrap();
    for (queue, service) in [("ml_jobs", "ml-service"), ("cpu_jobs", "worker")] {
        for (id, body) in UNREADABLE {
            slip_in(&cluster, queue, id, body);
            until("it is dropped", async || is_dropped(&cluster, service, id)).await;
        }
        // An id without a message ends the consumer itself, which is started again.
        let active = key(queue, "active");
        cluster.redis().command(&["RPUSH", &active, "ghost"]).unwrap();
        for task in [noop(&tenant, 0).await, noop(&tenant, 0).await, noop(&tenant, 0).await] {
            completes(&tenant, &task, &cluster).await;
        }
        until("nothing is left", async || cluster.redis().command(&["LLEN", &active]).unwrap() == "0").await;
    }
    for process in processes {
        assert!(cluster.ended(process).unwrap().is_none(), "{}", cluster.logs());
    }
}
