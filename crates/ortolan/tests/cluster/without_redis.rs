//! What the API answers while Redis is gone: what cannot be done without it is refused for now, all the rest goes on, and tasks that
//! were taken meanwhile are done when it is back.

use std::time::Duration;

use ortolan_testkit::{Answer, Cluster, Tenant, fixtures};
use serde_json::{Value, json};

use crate::support::{PROGRAM, completes, noop, start_all, until};

/// What is read without it.
const READ: [&str; 5] = ["/tasks", "/media", "/slots", "/model-cache", "/cache/metrics"];

/// Not begun; a task counts as queued for the moment of each try to send it.
fn waits(task: &Value) -> bool {
    task["status"] == "pending" || task["status"] == "queued"
}

/// Asks for a task to be sent now, in a moment in which nobody else tries to.
async fn enqueue(tenant: &Tenant, task: &str) -> Answer {
    for _ in 0..1200 {
        let answer = tenant.post(&format!("/tasks/{task}/enqueue"), json!({})).await.unwrap();
        if answer.status != 409 {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{task} was never pending")
}

/// The request is refused for now, in words that tell nothing of what is behind the API.
fn is_refused_for_now(answer: Answer) {
    assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0), "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let problem = answer.expect(503).unwrap();
    assert_eq!((&problem["code"], &problem["status"]), (&json!("unavailable"), &json!(503)), "{problem}");
    let told = problem["detail"].as_str().unwrap().to_lowercase();
    assert!(!["redis", "127.0.0.1", "connection", "os error"].iter().any(|word| told.contains(word)), "{problem}");
}

async fn asked(cluster: &Cluster, path: &str) -> Value {
    let answer = reqwest::get(format!("{}{path}", cluster.base())).await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.json().await.unwrap()
}

/// Everything that works as if nothing were; gives the tasks that are to be done later.
async fn goes_on(tenant: &Tenant) -> Vec<String> {
    for path in READ {
        tenant.get(path).await.unwrap().expect(200).unwrap();
    }
    tenant.media("picture", fixtures::read("images/shapes_a.png")).await.unwrap();
    tenant.post("/tasks/reconcile", json!({})).await.unwrap().expect(200).unwrap();
    let request = tenant.request(reqwest::Method::POST, "/tasks").header("prefer", "wait=1");
    let waited = tenant.send(request.json(&json!({"task_type": "noop"}))).await.unwrap().expect(201).unwrap();
    assert!(waits(&waited), "{waited}");

    let changed = noop(tenant, 0).await;
    let cancelled = tenant.post(&format!("/tasks/{changed}/cancel"), json!({})).await.unwrap().expect(200).unwrap();
    assert_eq!(cancelled["status"], "cancelled");
    let again = tenant.post(&format!("/tasks/{changed}/retry"), json!({})).await.unwrap().expect(200).unwrap();
    assert_eq!(again["status"], "pending");
    vec![waited["task_id"].as_str().unwrap().to_owned(), changed]
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_a_task_is_refused_for_now_and_all_the_rest_goes_on() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    // Requests are counted in Redis; a count that cannot be had turns nobody away.
    cluster.env("RATE_LIMIT_DEFAULT", "100000/day");
    start_all(&mut cluster, &["api", "worker", "ml-service", "reconciler"]).await;
    let tenant = cluster.operator().tenant("acme").await.unwrap();
    let first = noop(&tenant, 0).await;
    completes(&tenant, &first, &cluster).await;
    cluster.redis_mut().end(false).unwrap();

    let created = tenant.post("/tasks", json!({"task_type": "noop"})).await.unwrap();
    assert!(created.header("location").starts_with("/api/v1/tasks/"), "{created:?}");
    let created = created.expect(201).unwrap();
    assert_eq!(created["status"], "pending");
    let task = created["task_id"].as_str().unwrap();
    is_refused_for_now(enqueue(&tenant, task).await);
    assert!(waits(&tenant.task(task).await.unwrap()), "a refusal must not change it");
    let taken = goes_on(&tenant).await;
    until("health tells of it", async || {
        let health = asked(&cluster, "/health").await;
        health["status"] == "degraded" && health["checks"]["queue"]["status"] == "down"
    })
    .await;
    assert_eq!(asked(&cluster, "/health/ready").await["status"], "ready");
    assert_eq!(asked(&cluster, "/health/workers").await["broker_connected"], false);
    assert!(waits(&tenant.task(task).await.unwrap()));

    cluster.redis_mut().begin().unwrap();
    for task in taken.iter().map(String::as_str).chain([task]) {
        completes(&tenant, task, &cluster).await;
    }
}
