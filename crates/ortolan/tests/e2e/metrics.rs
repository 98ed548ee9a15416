//! The figures that boards and alerts are made of move with the work.

use std::time::Duration;

use ortolan_testkit::{Server, fixtures};
use serde_json::json;

use crate::{detects, options, server, tenant_with_detector};

#[tokio::test(flavor = "multi_thread")]
async fn a_task_moves_every_stage_and_the_names_that_boards_for_triton_know() {
    let server = server().await;
    let tenant = tenant_with_detector(&server, "acme").await;
    detects(&tenant).await;
    let metrics = async || server.client().get(server.url("/metrics")).send().await.unwrap().text().await.unwrap();
    let text = metrics().await;
    let value = |metric: &str| {
        let lines =
            text.lines().filter(|line| line.strip_prefix(metric).is_some_and(|rest| rest.starts_with(['{', ' '])));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).reduce(|sum, value| sum + value)
    };
    for metric in [
        "ortolan_task_queue_seconds_count",
        "ortolan_ml_permit_wait_seconds_count",
        "ortolan_ml_model_load_duration_seconds_count",
        "ortolan_ml_infer_queue_seconds_count",
        "ortolan_ml_infer_preprocess_seconds_count",
        "ortolan_ml_infer_run_seconds_count",
        "ortolan_ml_infer_postprocess_seconds_count",
        "nv_inference_request_success",
        "nv_inference_count",
        "nv_inference_exec_count",
        "nv_inference_request_duration_us",
        "nv_inference_compute_input_duration_us",
        "nv_inference_compute_infer_duration_us",
        "nv_inference_compute_output_duration_us",
        "nv_model_load_duration_secs",
    ] {
        assert!(value(metric).is_some_and(|value| value > 0.0), "{metric}: {:?}", value(metric));
    }
    for metric in ["nv_inference_pending_request_count", "nv_inference_queue_duration_us", "ortolan_ml_permits_in_use"]
    {
        assert!(value(metric).is_some(), "{metric} is missing");
    }
    for (queue, status) in [("gpu_jobs", "pending"), ("cpu_jobs", "pending"), ("ml_jobs", "queued")] {
        for metric in ["ortolan_queue_depth", "ortolan_queue_oldest_age_seconds"] {
            let line = format!("{metric}{{queue=\"{queue}\",status=\"{status}\"}}");
            assert!(text.contains(&line), "{line} is missing");
        }
    }
    assert!(!text.contains("acme"), "no label names a tenant");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_the_permits_run_at_once_and_all_of_them_do() {
    let server = Server::start(options().env("GPU_CONCURRENCY", "2")).await.unwrap();
    let tenant = tenant_with_detector(&server, "acme").await;
    let media = tenant.media("big.jpg", fixtures::read("images/shapes_big.jpg")).await.unwrap();
    let submit = || tenant.submit("object_detection", Some(&media), json!({}));
    let tasks = futures::future::try_join_all((0..20).map(|_| submit())).await.unwrap();
    for task in tasks {
        assert_eq!(tenant.wait(&task).await.unwrap()["status"], "completed");
    }
    let permits = async || {
        let text = server.client().get(server.url("/metrics")).send().await.unwrap().text().await.unwrap();
        ["ortolan_ml_permits", "ortolan_ml_permits_peak", "ortolan_ml_permits_in_use"].map(|metric| {
            let line = text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' ').map(str::to_owned));
            line.unwrap_or_else(|| panic!("{metric} is missing"))
        })
    };
    for _ in 0..400 {
        if permits().await[2] == "0" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(permits().await, ["2", "2", "0"]);
}
