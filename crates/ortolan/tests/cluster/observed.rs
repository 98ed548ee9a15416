//! What an operator can see of five processes: whose request a line belongs to, how far a trace goes, what services
//! without a port do.

use std::collections::BTreeSet;

use ortolan_testkit::{Cluster, Collector, fixtures};
use serde_json::json;

use crate::support::{PROGRAM, completes, noop, start_all, tenant_with_model, until};

const SERVICES: [&str; 4] = ["api", "ml-service", "worker", "reconciler"];

#[tokio::test(flavor = "multi_thread")]
async fn one_request_is_found_in_every_log_and_in_the_result() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    cluster.env("LOG_JSON", "true");
    cluster.env("GPU_MODE", "gpu");
    start_all(&mut cluster, &SERVICES).await;
    let tenant = tenant_with_model(&cluster).await;
    let media = tenant.media("picture", fixtures::read("images/shapes_b.jpg")).await.unwrap();
    let wish = json!({"task_type": "object_detection", "media_id": media, "config": {"confidence_threshold": 0.25}});
    let request = tenant.request(reqwest::Method::POST, "/tasks").header("x-request-id", "seek-me-7f3a").json(&wish);
    let task = tenant.send(request).await.unwrap().expect(201).unwrap();
    assert_eq!(task["request_id"], "seek-me-7f3a");
    completes(&tenant, task["task_id"].as_str().unwrap(), &cluster).await;
    let artifacts = tenant.artifacts(task["task_id"].as_str().unwrap()).await.unwrap();
    assert!(!artifacts.is_empty() && artifacts.iter().all(|artifact| artifact["request_id"] == "seek-me-7f3a"));

    for (service, words) in [
        ("api", "request answered"),
        ("worker", "task completed"),
        ("ml-service", "model ran"),
        ("ml-service", "runner answered"),
    ] {
        let log = cluster.log(service);
        let line = log.lines().filter(|line| line.contains("seek-me-7f3a")).find(|line| line.contains(words));
        let line = line.unwrap_or_else(|| panic!("{service} does not say {words:?}: {log}"));
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["request_id"], &line["tenant_id"]), (&json!("seek-me-7f3a"), &json!("acme")), "{line}");
        assert!(["time_ms", "duration_ms"].iter().any(|name| line[*name].is_f64()), "{line}");
    }
    let ran = cluster.log("ml-service");
    let ran: serde_json::Value =
        serde_json::from_str(ran.lines().find(|line| line.contains("model ran")).unwrap()).unwrap();
    for field in ["tenant_id", "model_type", "worker_id", "device", "cache_key", "inference_ms"] {
        assert!(!ran[field].is_null(), "{field}: {ran}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_one_trace_through_all_processes() {
    let collector = Collector::start().await.unwrap();
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    cluster.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url());
    cluster.env("GPU_MODE", "gpu");
    start_all(&mut cluster, &SERVICES).await;
    let tenant = tenant_with_model(&cluster).await;
    let media = tenant.media("picture", fixtures::read("images/shapes_b.jpg")).await.unwrap();
    let (trace_id, own_span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let request = tenant
        .request(reqwest::Method::POST, "/tasks")
        .header("traceparent", format!("00-{trace_id}-{own_span}-01"))
        .json(&json!({"task_type": "object_detection", "media_id": media}));
    let task = tenant.send(request).await.unwrap().expect(201).unwrap();
    completes(&tenant, task["task_id"].as_str().unwrap(), &cluster).await;

    let names = [
        "POST /api/v1/tasks",
        "wait in gpu_jobs",
        "run object_detection",
        "infer object_detection",
        "wait for the device",
        "runner",
        "run model",
        "store result",
    ];
    let spans = collector.trace(trace_id, &names).await.unwrap();
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let parent = |name: &str| named(name).parent_id.clone();
    assert_eq!(parent("POST /api/v1/tasks"), own_span, "under the client's own span");
    for (child, of) in [
        ("run object_detection", "POST /api/v1/tasks"),
        ("infer object_detection", "run object_detection"),
        ("runner", "infer object_detection"),
        ("run model", "runner"),
        ("store result", "run object_detection"),
    ] {
        assert_eq!(parent(child), named(of).span_id, "{child} is a part of {of}");
    }
    let services: BTreeSet<_> = spans.iter().map(|span| span.service.as_str()).collect();
    assert_eq!(services, BTreeSet::from(["ortolan-api", "ortolan-ml-service", "ortolan-worker"]));
    assert!(!collector.all().iter().any(|span| span.attributes.to_string().contains("shapes")), "nothing of the input");
}

#[tokio::test(flavor = "multi_thread")]
async fn services_without_a_port_are_seen_through_an_api() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    let processes = start_all(&mut cluster, &SERVICES).await;
    let tenant = cluster.operator().tenant("acme").await.unwrap();
    let task = noop(&tenant, 1).await;
    completes(&tenant, &task, &cluster).await;
    let client = reqwest::Client::new();
    let base = cluster.base().to_owned();
    let metrics = async || client.get(format!("{base}/metrics")).send().await.unwrap().text().await.unwrap();
    let shown = |text: &str, metric: &str, label: &str| {
        text.lines().any(|line| line.starts_with(metric) && line.contains(label) && !line.ends_with(" 0"))
    };
    until("the worker's and the reconciler's metrics are shown", async || {
        let text = metrics().await;
        shown(&text, "ortolan_tasks_total{", "service=\"worker\"")
            && shown(&text, "ortolan_task_queue_seconds_bucket{", "service=\"worker\"")
            && shown(&text, "ortolan_reconcile_runs_total{", "service=\"reconciler\"")
            && text.contains("ortolan_queue_oldest_age_seconds{service=\"reconciler\"")
    })
    .await;
    let text = metrics().await;
    assert_eq!(text.matches("# TYPE ortolan_uptime_seconds gauge").count(), 1, "one family");
    assert!(text.contains("ortolan_tasks_submitted_total{task_type=\"noop\"} 1"), "its own have no such labels");

    // Another API shows only its own: nothing is counted twice.
    let port = ortolan_testkit::free_port().unwrap();
    let listen = format!("127.0.0.1:{port}");
    cluster.start_with("api", &[], &[("ORTOLAN_SERVER__LISTEN", &listen)]).unwrap();
    until("the other API is ready", async || {
        let answer = client.get(format!("http://{listen}/health/ready")).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    })
    .await;
    metrics().await;
    let other = client.get(format!("http://{listen}/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(other.contains("ortolan_uptime_seconds") && !other.contains("service=\"worker\""), "{other}");

    let keys = cluster.redis().command(&["KEYS", "ortolan:cache:metrics:*"]).unwrap();
    let key = keys.lines().next().unwrap().to_owned();
    let left_ms: i64 = cluster.redis().command(&["PTTL", &key]).unwrap().parse().unwrap();
    assert!((1..=20_000).contains(&left_ms), "it ends by itself: {left_ms}");
    cluster.stop(processes[2]).unwrap();
    assert!(!metrics().await.contains("service=\"worker\""), "a worker that ended takes its metrics away");
}
