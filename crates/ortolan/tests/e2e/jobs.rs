//! Jobs the whole way: through queue, worker and ML service to a result, a cancel or a time limit.

use ortolan_testkit::{Server, Tenant, fixtures};
use serde_json::{Value, json};

use crate::options;
use crate::protocol::register;

async fn create(tenant: &Tenant, model: &str, input_data: Value) -> String {
    tenant.job(model, input_data).await.unwrap()
}

async fn result(tenant: &Tenant, job: &str) -> Value {
    tenant.job_result(job).await.unwrap()
}

/// Turns of a loop that never come to an end within a test.
fn endless() -> Value {
    json!({ "n": 1_000_000_000_000_i64, "y0": 0.5 })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_gives_what_the_model_gives_and_a_bad_one_fails_at_once() {
    let server = Server::start(options()).await.unwrap();
    let tenant = server.tenant("acme").await.unwrap();
    let model = register(&tenant, "identity", fixtures::read("models/identity.onnx")).await;
    let job = create(&tenant, &model, json!({ "x": [[1, 2.5, -3, "NaN"]] })).await;
    let done = result(&tenant, &job).await;
    assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!({ "y": [[1.0, 2.5, -3.0, "NaN"]] })));
    let view = tenant.get(&format!("/jobs/{job}")).await.unwrap().expect(200).unwrap();
    for field in ["queued_at", "started_at", "completed_at", "worker_id", "queue_time_ms", "inference_time_ms"] {
        assert!(!view[field].is_null(), "{field}: {view}");
    }

    let bad = create(&tenant, &model, json!({ "x": [[1, 2]] })).await;
    let failed = result(&tenant, &bad).await;
    assert_eq!(failed["status"], "failed", "{failed}");
    assert!(failed["error_message"].as_str().unwrap().contains("input_data.x"), "{failed}");
    let view = tenant.get(&format!("/jobs/{bad}")).await.unwrap().expect(200).unwrap();
    assert_eq!((&view["attempt"], &view["retries"]), (&json!(1), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_come_back_to_the_last_bit() {
    let server = Server::start(options()).await.unwrap();
    let tenant = server.tenant("acme").await.unwrap();
    let model = register(&tenant, "identity", fixtures::read("models/identity_f64.onnx")).await;
    // Numbers that a reader which only multiplies by powers of ten gets wrong by one bit.
    let exact = [94.24502837770503, 57.394118792810076, 5e-324, 1.7976931348623157e308];
    let input_data = json!({ "x": [exact] });
    let body = json!({ "input_data": input_data });
    let predicted = tenant.post(&format!("/models/{model}/predict"), body).await.unwrap().expect(201).unwrap();
    let job = create(&tenant, &model, input_data).await;
    for outputs in [&predicted["output_data"], &result(&tenant, &job).await["result"]] {
        let numbers: Vec<f64> = serde_json::from_value(outputs["y"][0].clone()).unwrap();
        assert_eq!(numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>(), exact.map(f64::to_bits));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_can_be_cancelled_and_the_next_one_runs() {
    let server = Server::start(options().env("ORTOLAN_ML__GPU_CONCURRENCY", "1")).await.unwrap();
    let tenant = server.tenant("acme").await.unwrap();
    let model = register(&tenant, "loop_n", fixtures::read("models/loop_n.onnx")).await;
    let job = create(&tenant, &model, endless()).await;
    tenant.wait_for(&job, &["running"]).await.unwrap();
    let cancelled = tenant.post(&format!("/jobs/{job}/cancel"), json!({})).await.unwrap().expect(200).unwrap();
    assert_eq!(cancelled["status"], "cancelled");
    let next = create(&tenant, &model, json!({ "n": 5, "y0": 1.5 })).await;
    assert_eq!(result(&tenant, &next).await["status"], "completed");
    assert_eq!(result(&tenant, &job).await["result"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_past_its_time_limit_fails_and_the_worker_goes_on() {
    let server = Server::start(options().env("ORTOLAN_WORKER__SOFT_LIMIT_S", "1")).await.unwrap();
    let tenant = server.tenant("acme").await.unwrap();
    let model = register(&tenant, "loop_n", fixtures::read("models/loop_n.onnx")).await;
    let job = create(&tenant, &model, endless()).await;
    let failed = result(&tenant, &job).await;
    assert_eq!(failed["status"], "failed", "{failed}");
    assert!(failed["error_message"].as_str().unwrap().contains("time limit"), "{failed}");
    let next = create(&tenant, &model, json!({ "n": 5, "y0": 1.5 })).await;
    assert_eq!(result(&tenant, &next).await["status"], "completed");
}
