//! Models, predictions and jobs where each service is a process of its own and the API has two.

use ortolan_testkit::{Answer, Cluster, Tenant, fixtures, free_port};
use serde_json::{Value, json};

use crate::support::{PROGRAM, start_all, until};

/// Predictions that one key may ask for.
const RATE: usize = 30;

/// An installation with a second process of the API; gives its address, too.
async fn with_two_apis() -> (Cluster, String) {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    cluster.env("RATE_LIMIT_PREDICTIONS", &format!("{RATE}/day"));
    start_all(&mut cluster, &["api", "worker", "ml-service", "reconciler"]).await;
    let address = format!("127.0.0.1:{}", free_port().unwrap());
    cluster.start_with("api", &[], &[("ORTOLAN_SERVER__LISTEN", &address)]).unwrap();
    let (client, base) = (reqwest::Client::new(), format!("http://{address}"));
    until("the second API is ready", async || {
        let answer = client.get(format!("{base}/health/ready")).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    (cluster, base)
}

async fn predict(at: &Tenant, model: &str, x: [f32; 4]) -> Answer {
    at.post(&format!("/models/{model}/predict"), json!({ "input_data": { "x": [x] } })).await.unwrap()
}

/// Whether a prediction was known; it must be right in any case.
async fn known(at: &Tenant, model: &str, x: [f32; 4]) -> String {
    let answer = predict(at, model, x).await;
    let cache = answer.header("x-cache").to_owned();
    let body = answer.expect(201).unwrap();
    assert_eq!(body["output_data"], json!({ "y": [x] }));
    assert_eq!(body["cached"], cache == "HIT");
    cache
}

async fn seen(at: &Tenant, path: &str) -> (String, Value) {
    let answer = at.get(path).await.unwrap();
    (answer.header("x-cache").to_owned(), answer.expect(200).unwrap())
}

fn keys(cluster: &Cluster, pattern: &str) -> Vec<String> {
    let found = cluster.redis().command(&["--scan", "--pattern", pattern]).unwrap();
    found.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_api_learns_the_other_one_knows() {
    let (cluster, second) = with_two_apis().await;
    let here = cluster.operator().tenant("acme").await.unwrap();
    let there = here.at(&second);
    let file = fixtures::read("models/identity.onnx");
    let model = here.ready_model("net", "1.9.0", file.clone()).await.unwrap();
    let newer = there.ready_model("net", "1.10.0", file).await.unwrap();

    let x = [1.0, 2.5, -3.0, 0.0];
    assert_eq!([known(&here, &model, x).await, known(&there, &model, x).await], ["MISS", "HIT"]);
    assert_eq!(known(&there, &newer, x).await, "MISS", "another version is another question");
    for (model, count) in [(&model, 1), (&newer, 1)] {
        let kept = keys(&cluster, &format!("ortolan:cache:prediction:{model}:*"));
        assert_eq!(kept.len(), count, "{kept:?}");
        let ttl: i64 = cluster.redis().command(&["TTL", &kept[0]]).unwrap().parse().unwrap();
        assert!((1..=300).contains(&ttl), "{ttl}");
    }

    let path = format!("/models/{model}");
    let (_, before) = seen(&here, &path).await;
    assert_eq!(seen(&there, &path).await, ("HIT".to_owned(), before));
    here.send(here.request(reqwest::Method::PATCH, &path).json(&json!({ "description": "words" }))).await.unwrap();
    let (cache, after) = seen(&there, &path).await;
    assert_eq!((cache.as_str(), &after["description"]), ("MISS", &json!("words")));
    let (_, versions) = seen(&there, "/models/by-name/net/versions").await;
    assert_eq!((&versions["latest_version"], &versions["total"]), (&json!("1.10.0"), &json!(2)));

    there.send(there.request(reqwest::Method::PATCH, &path).json(&json!({ "status": "archived" }))).await.unwrap();
    assert_eq!(keys(&cluster, &format!("ortolan:cache:prediction:{model}:*")), Vec::<String>::new());
    assert_eq!(keys(&cluster, &format!("ortolan:cache:prediction:{newer}:*")).len(), 1);
    until("nobody asks an archived version", async || predict(&here, &model, x).await.status == 400).await;
    assert_eq!(known(&here, &newer, x).await, "HIT");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_is_cancelled_and_the_rate_is_shared() {
    let (cluster, second) = with_two_apis().await;
    let here = cluster.operator().tenant("acme").await.unwrap();
    let there = here.at(&second);
    let exact = here.ready_model("exact", "1.0.0", fixtures::read("models/identity_f64.onnx")).await.unwrap();
    let job = here.job(&exact, json!({ "x": [[94.24502837770503, 1, 2, 3]] })).await.unwrap();
    let done = there.job_result(&job).await.unwrap();
    assert_eq!((&done["status"], &done["result"]["y"][0][0]), (&json!("completed"), &json!(94.24502837770503)));

    let endless = here.ready_model("loop", "1.0.0", fixtures::read("models/loop_n.onnx")).await.unwrap();
    let job = here.job(&endless, json!({ "n": 1_000_000_000_000_i64, "y0": 0.5 })).await.unwrap();
    here.wait_for(&job, &["running"]).await.unwrap();
    let cancelled = there.post(&format!("/jobs/{job}/cancel"), json!({})).await.unwrap().expect(200).unwrap();
    assert_eq!(cancelled["status"], "cancelled");
    let next = here.job(&endless, json!({ "n": 5, "y0": 1.5 })).await.unwrap();
    assert_eq!(here.job_result(&next).await.unwrap()["status"], "completed", "{}", cluster.logs());
    assert_eq!(here.job_result(&job).await.unwrap()["result"], Value::Null);
    let deleted = there.send(there.request(reqwest::Method::DELETE, &format!("/jobs/{job}"))).await.unwrap();
    assert_eq!(deleted.status, 204);
    assert_eq!(here.get(&format!("/jobs/{job}")).await.unwrap().status, 404);

    let file = fixtures::read("models/identity.onnx");
    let model = here.ready_model("net", "1.0.0", file).await.unwrap();
    for turn in 0..RATE {
        let at = if turn % 2 == 0 { &here } else { &there };
        assert_eq!(predict(at, &model, [1.0; 4]).await.status, 201, "{turn}");
    }
    for at in [&here, &there] {
        let refused = predict(at, &model, [1.0; 4]).await;
        assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
        assert_eq!(refused.expect(429).unwrap()["code"], "rate_limited");
    }
}
