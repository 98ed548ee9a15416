//! Webhooks of several workers on one database.

use std::collections::BTreeSet;

use ortolan_testkit::{Cluster, Tenant};
use serde_json::json;

use crate::sink::{Sink, verify};
use crate::support::{PROGRAM, start_all};

const TASKS: usize = 30;

async fn submit(tenant: &Tenant, url: &str) {
    let body = json!({"task_type": "noop", "callback_url": url});
    tenant.post("/tasks", body).await.unwrap().expect(201).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_webhook_is_sent_by_one_worker_and_a_killed_ones_by_the_next() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    cluster.env("ORTOLAN_OUTBOUND__ALLOWED_NETWORKS", "127.0.0.1");
    cluster.env("BACKEND_TIMEOUT", "3");
    let processes = start_all(&mut cluster, &["worker", "worker", "ml-service", "reconciler", "api"]).await;
    let tenant = cluster.operator().tenant("acme").await.unwrap();
    let secret = tenant.post("/webhook-secret", json!({})).await.unwrap().expect(201).unwrap();
    let sink = Sink::answering(&[]).await;
    for _ in 0..TASKS {
        submit(&tenant, &sink.url("/hook")).await;
    }
    let told = sink.received(TASKS).await;
    let ids: BTreeSet<_> = told.iter().map(|request| request.header("webhook-id").to_owned()).collect();
    assert_eq!((told.len(), ids.len()), (TASKS, TASKS), "one was sent twice");
    assert!(told.iter().all(|request| verify(secret["secret"].as_str().unwrap(), request)));

    let silent = Sink::answering(&[0]).await;
    submit(&tenant, &silent.url("/hook")).await;
    silent.received(1).await;
    for worker in &processes[..2] {
        cluster.kill(*worker).unwrap();
    }
    let next = cluster.start("worker", &[]).unwrap();
    let told = silent.received(2).await;
    assert_eq!(told[0].header("webhook-id"), told[1].header("webhook-id"));
    assert_eq!(told[0].body, told[1].body);
    for process in [next].iter().chain(&processes[2..]) {
        assert!(cluster.stop(*process).unwrap().success(), "{}", cluster.logs());
    }
    assert_eq!(sink.count(), TASKS, "one was sent twice");
}
