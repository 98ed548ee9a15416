//! A shared cache that is killed, that stalls, and that comes back.

use ortolan_testkit::{Cluster, Tenant, fixtures};
use serde_json::{Value, json};

use crate::support::{PROGRAM, start_all, until};

/// What the installation says when it begins to pass over its cache.
const PASSED_OVER: &str = "the shared cache does not answer";
/// Shorter than the wait for an answer of Redis (2 s): a prediction that waited for it would be late.
const IMPATIENT_MS: u64 = 1_500;

/// Asks `n` times the same; gives what `X-Cache` said each time. None may fail.
async fn ask(tenant: &Tenant, model: &str, n: usize, more: &Value) -> Vec<String> {
    let mut caches = Vec::new();
    for _ in 0..n {
        let mut wish = json!({ "input_data": { "x": [[1, 2, 3, 4]] } });
        wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = tenant.post(&format!("/models/{model}/predict"), wish).await.unwrap();
        caches.push(answer.header("x-cache").to_owned());
        answer.expect(201).unwrap();
    }
    caches
}

async fn is_known(tenant: &Tenant, model: &str) -> bool {
    ask(tenant, model, 1, &json!({})).await == ["HIT"]
}

async fn health(cluster: &Cluster) -> Value {
    reqwest::get(format!("{}/health", cluster.base())).await.unwrap().json().await.unwrap()
}

async fn world() -> (Cluster, Tenant, String) {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    // Counted in Redis as well, so that each prediction asks it more than once.
    cluster.env("RATE_LIMIT_PREDICTIONS", "100000/day");
    start_all(&mut cluster, &["api", "ml-service"]).await;
    let tenant = cluster.operator().tenant("acme").await.unwrap();
    let model = tenant.ready_model("net", "1.0.0", fixtures::read("models/identity.onnx")).await.unwrap();
    assert_eq!(ask(&tenant, &model, 2, &json!({})).await, ["MISS", "HIT"]);
    (cluster, tenant, model)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_cache_is_waited_for_once_and_used_again_when_it_answers() {
    let (cluster, tenant, model) = world().await;
    cluster.redis().stall().unwrap();
    assert_eq!(ask(&tenant, &model, 1, &json!({})).await, ["MISS"]);
    let impatient = json!({ "timeout_ms": IMPATIENT_MS });
    assert_eq!(ask(&tenant, &model, 20, &impatient).await, vec!["MISS"; 20]);
    tenant.get(&format!("/models/{model}")).await.unwrap().expect(200).unwrap();
    assert_eq!(cluster.logs().matches(PASSED_OVER).count(), 1, "one request waited, and no other");
    until("health tells of it", async || {
        let health = health(&cluster).await;
        health["status"] == "degraded" && health["checks"]["cache"]["status"] == "down"
    })
    .await;
    cluster.redis().resume().unwrap();
    until("answers are kept again", async || is_known(&tenant, &model).await).await;
    until("health tells of it", async || health(&cluster).await["checks"]["cache"]["status"] == "up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_cache_costs_no_request_and_comes_back_without_a_restart() {
    let (mut cluster, tenant, model) = world().await;
    let asking = tokio::spawn({
        let (tenant, model) = (tenant.clone(), model.clone());
        async move { ask(&tenant, &model, 200, &json!({})).await }
    });
    cluster.redis_mut().end(false).unwrap();
    let caches = asking.await.unwrap();
    assert_eq!(caches.last().map(String::as_str), Some("MISS"), "it is gone by now");
    let job = tenant.job(&model, json!({ "x": [[1, 2, 3, 4]] })).await.unwrap();
    let status = tenant.get(&format!("/jobs/{job}")).await.unwrap().expect(200).unwrap()["status"].clone();
    // Queued for the moment of each try.
    assert!(status == "pending" || status == "queued", "{status}");
    tenant.ready_model("net", "2.0.0", fixtures::read("models/identity.onnx")).await.unwrap();
    until("health tells of it", async || health(&cluster).await["checks"]["cache"]["status"] == "down").await;
    cluster.redis_mut().begin().unwrap();
    until("answers are kept again", async || is_known(&tenant, &model).await).await;
    // The API is the first process.
    assert!(cluster.stop(0).unwrap().success());
    let api = cluster.logs();
    let api = api.split("== worker").next().unwrap();
    assert!(api.contains("Redis connection established") && api.contains("Redis connection closed"), "{api}");
}
