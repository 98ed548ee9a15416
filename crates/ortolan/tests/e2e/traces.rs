//! Traces of the one process that does everything.

use ortolan_testkit::{Collector, Server, fixtures};
use serde_json::json;

use crate::{options, tenant_with_detector};

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_one_trace_in_one_process_too() {
    let collector = Collector::start().await.unwrap();
    let mut server = Server::start(options().env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())).await.unwrap();
    let tenant = tenant_with_detector(&server, "acme").await;
    let media = tenant.media("a.png", fixtures::read("images/shapes_a.png")).await.unwrap();
    let task = tenant.submit("object_detection", Some(&media), json!({})).await.unwrap();
    assert_eq!(tenant.wait(&task).await.unwrap()["status"], "completed");
    // What ended just before the end is sent, too.
    assert!(server.stop().await.unwrap().success(), "{}", server.log());
    let spans = collector.all();
    let run = spans.iter().find(|span| span.name == "run object_detection").unwrap();
    let names = ["POST /api/v1/tasks", "wait in gpu_jobs", "infer object_detection", "run model", "store result"];
    for name in names {
        assert!(spans.iter().any(|span| span.name == name && span.trace_id == run.trace_id), "{name}: {spans:#?}");
    }
    let first: Vec<_> =
        spans.iter().filter(|span| span.trace_id == run.trace_id && span.parent_id.is_empty()).collect();
    assert_eq!(first.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["POST /api/v1/tasks"]);
    assert!(!spans.iter().any(|span| span.name.contains("/health")), "questions of health are no traces");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_gone_costs_nobody_anything() {
    let port = ortolan_testkit::free_port().unwrap();
    let options = options().env("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://user:hunter2@127.0.0.1:{port}"));
    let mut server = Server::start(options).await.unwrap();
    let tenant = tenant_with_detector(&server, "acme").await;
    crate::detects(&tenant).await;
    assert!(server.stop().await.unwrap().success());
    let log = server.log();
    assert_eq!(log.matches("traces are lost until their collector takes them").count(), 1, "said once: {log}");
    assert!(!log.contains("hunter2"), "{log}");
}
