//! Predictions: inputs that fit and that do not, the cache, deadlines, records.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, SLOW, TestApp};

fn wish(values: Value) -> Value {
    json!({ "input_data": { "x": values } })
}

async fn world() -> (TestApp, Client, String) {
    let app = TestApp::new().await;
    let tenant = app.tenant("acme").await;
    let model = app.ready_model("acme", "iris", "1.0.0").await;
    (app, tenant, format!("/models/{model}/predict"))
}

fn runs(app: &TestApp) -> usize {
    app.ml.asked().iter().filter(|asked| asked.starts_with("infer")).count()
}

#[tokio::test]
async fn a_model_answers_and_equal_questions_are_known() {
    let (app, tenant, path) = world().await;
    let first =
        tenant.post(&path, json!({ "input_data": { "x": [[1, 2.5, -3, 0]], "more": {} }, "request_id": "r" })).await;
    let first = first.is(201);
    assert_eq!(first.header("x-cache"), "MISS");
    assert_eq!(first.json["output_data"], json!({ "y": [[1.0, 2.5, -3.0, 0.0]] }));
    assert_eq!((&first.json["cached"], &first.json["inference_time_ms"]), (&json!(false), &json!(1.5)));
    assert_eq!((&first.json["request_id"], &first.json["input_data"]["more"]), (&json!("r"), &json!({})));

    let again = tenant.post(&path, wish(json!([[1.0, 2.5, -3, 0e0]]))).await.is(201);
    assert_eq!((again.header("x-cache"), &again.json["cached"]), ("HIT", &json!(true)));
    assert_eq!(again.json["output_data"], first.json["output_data"]);
    assert_ne!(again.json["id"], first.json["id"]);
    assert_eq!(runs(&app), 1);

    let other = tenant.post(&path, wish(json!([[1, 2.5, -3, 1]]))).await.is(201);
    assert_eq!(other.header("x-cache"), "MISS");
    let skipped = json!({ "input_data": { "x": [[9, 9, 9, 9]] }, "skip_cache": true });
    for _ in 0..2 {
        assert_eq!(tenant.post(&path, skipped.clone()).await.is(201).header("x-cache"), "MISS");
    }
    assert_eq!(tenant.post(&path, wish(json!([[9, 9, 9, 9]]))).await.is(201).header("x-cache"), "HIT");
    assert_eq!(runs(&app), 4);
}

#[tokio::test]
async fn an_answer_is_forgotten_in_time_and_shared_by_processes() {
    let (app, tenant, path) = world().await;
    let ask = async |client: Client| client.post(&path, wish(json!([[1, 1, 1, 1]]))).await.is(201);
    assert_eq!(ask(tenant.clone()).await.header("x-cache"), "MISS");
    assert_eq!(ask(tenant.at(app.beside())).await.header("x-cache"), "HIT");
    app.clock.advance(Duration::from_secs(301));
    assert_eq!(ask(tenant.clone()).await.header("x-cache"), "MISS");
}

#[tokio::test]
async fn a_burst_of_equal_questions_runs_once() {
    let (app, tenant, path) = world().await;
    let asks = (0..20).map(|_| tenant.post(&path, wish(json!([[5, 5, 5, 5]]))));
    let answers = futures::future::join_all(asks).await;
    assert!(answers.into_iter().all(|answer| answer.is(201).json["output_data"]["y"][0][0] == 5.0));
    assert_eq!(runs(&app), 1);
}

#[tokio::test]
async fn what_is_not_finite_is_a_word() {
    let (_app, tenant, path) = world().await;
    let answer = tenant.post(&path, wish(json!([["NaN", "Infinity", "-Infinity", 0]]))).await.is(201);
    assert_eq!(answer.json["output_data"]["y"], json!([["NaN", "Infinity", "-Infinity", 0.0]]));
}

#[tokio::test]
async fn inputs_that_do_not_fit_are_named() {
    let (app, tenant, path) = world().await;
    let missing = tenant.post(&path, json!({ "input_data": { "z": 1 } })).await.refuses(400, "malformed_request");
    assert_eq!(missing.json["detail"], "input_data: missing inputs: x; expected: x");
    for bad in
        [json!([1, 2, 3, 4]), json!([[1, 2, 3]]), json!([["a", 1, 1, 1]]), json!([[1, 2, 3, 4], [1]]), Value::Null]
    {
        tenant.post(&path, wish(bad)).await.refuses(400, "malformed_request").naming("input_data.x");
    }
    for bad in [json!({}), json!({ "input_data": [] }), json!({ "input_data": {}, "zzz": 1 })] {
        tenant.post(&path, bad).await.refuses(422, "invalid_field");
    }
    let zero = json!({ "input_data": {}, "timeout_ms": 0 });
    tenant.post(&path, zero).await.refuses(422, "invalid_field").naming("timeout_ms");
    assert_eq!(runs(&app), 0);
}

#[tokio::test]
async fn a_model_that_is_not_ready_or_not_there_says_so() {
    let (app, tenant, _) = world().await;
    let pending = app.pending_model("acme", "iris", "2.0.0").await;
    let refusal = tenant.post(&format!("/models/{pending}/predict"), wish(json!([]))).await;
    assert!(refusal.refuses(400, "malformed_request").json["detail"].as_str().unwrap().contains("'pending'"));
    let unknown = "/models/018f0000-0000-7000-8000-000000000000/predict";
    tenant.post(unknown, wish(json!([]))).await.refuses(404, "not_found");
    tenant.post("/models/nonsense/predict", wish(json!([]))).await.refuses(400, "malformed_request");
}

#[tokio::test]
async fn a_deadline_that_passes_is_a_504_and_others_are_not_held_up() {
    let app = TestApp::with(|settings| settings.inference_timeout = Duration::from_millis(500)).await;
    let tenant = app.tenant("acme").await;
    let path = format!("/models/{}/predict", app.ready_model("acme", "iris", "1.0.0").await);
    let slow = json!({ "input_data": { "x": [[SLOW, 0, 0, 0]] }, "timeout_ms": 250 });
    let late = tenant.post(&path, slow).await.refuses(504, "deadline_exceeded");
    assert_eq!(late.json["detail"], "Prediction timed out after 0.25 seconds");
    let usual = tenant.post(&path, wish(json!([[SLOW, 0, 0, 0]]))).await.refuses(504, "deadline_exceeded");
    assert_eq!(usual.json["detail"], "Prediction timed out after 0.5 seconds");

    let several = json!({ "timeout_ms": 400, "requests": [
        { "model": "iris", "input_data": { "x": [[SLOW, 0, 0, 0]] } },
        { "model": "iris", "version": "1.0.0", "input_data": { "x": [[1, 2, 3, 4]] } },
        { "model": "nothing", "input_data": {} },
    ]});
    let answers = tenant.post("/predict", several).await.is(200).json["predictions"].clone();
    assert_eq!((&answers[0]["label"], &answers[0]["probability"]), (&json!("Timeout"), &Value::Null));
    assert_eq!((&answers[0]["source"], &answers[1]["source"]), (&json!("error"), &json!("model")));
    assert_eq!(answers[1]["output_data"]["y"], json!([[1.0, 2.0, 3.0, 4.0]]));
    assert_eq!(answers[2]["error"]["code"], "not_found");
}

#[tokio::test]
async fn at_most_ten_questions_come_at_once() {
    let (_app, tenant, _) = world().await;
    let one = json!({ "model": "iris", "input_data": { "x": [[1, 2, 3, 4]] } });
    for count in [0, 11] {
        let wish = json!({ "requests": vec![one.clone(); count] });
        tenant.post("/predict", wish).await.refuses(422, "invalid_field").naming("requests");
    }
    let ten = tenant.post("/predict", json!({ "requests": vec![one; 10] })).await.is(200);
    assert_eq!(ten.json["predictions"].as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn an_input_that_crashed_three_times_is_not_run_again() {
    let (app, tenant, path) = world().await;
    let crash = json!({ "input_data": { "x": [[crate::support::CRASHING, 0, 0, 0]] }, "skip_cache": true });
    for _ in 0..3 {
        tenant.post(&path, crash.clone()).await.refuses(500, "crashed");
    }
    tenant.post(&path, crash).await.refuses(422, "quarantined");
    assert_eq!(runs(&app), 3);
    tenant.post(&path, wish(json!([[1, 1, 1, 1]]))).await.is(201);
}

#[tokio::test]
async fn hits_are_counted_and_the_count_begins_again() {
    let (app, tenant, path) = world().await;
    for _ in 0..4 {
        tenant.post(&path, wish(json!([[1, 1, 1, 1]]))).await.is(201);
    }
    let metrics = tenant.get("/cache/metrics").await.is(200).json["prediction_cache"].clone();
    let expected = json!({ "hits": 3, "misses": 1, "total_requests": 4, "hit_rate_percent": 75.0, "invalidated": 0, "enabled": true, "ttl_seconds": 300 });
    assert_eq!(metrics, expected);
    let other = app.tenant("other").await;
    assert_eq!(other.get("/cache/metrics").await.is(200).json["prediction_cache"]["total_requests"], 0);
    assert_eq!(app.operator().get("/cache/metrics").await.is(200).json["prediction_cache"]["hits"], 3);
    assert_eq!(tenant.post("/cache/metrics/reset", json!({})).await.is(200).json, json!({ "status": "reset" }));
    assert_eq!(tenant.get("/cache/metrics").await.is(200).json["prediction_cache"]["hit_rate_percent"], 0.0);
}

#[tokio::test]
async fn answers_are_dropped_when_their_model_changes_and_no_others_are() {
    let (app, tenant, path) = world().await;
    let other = format!("/models/{}/predict", app.ready_model("acme", "iris", "2.0.0").await);
    let ask =
        async |path: &str| tenant.post(path, wish(json!([[1, 1, 1, 1]]))).await.is(201).header("x-cache").to_owned();
    assert_eq!([ask(&path).await, ask(&path).await, ask(&other).await], ["MISS", "HIT", "MISS"]);
    let version = path.replace("/predict", "");
    tenant.patch(&version, json!({ "description": "words" })).await.is(200);
    assert_eq!(ask(&path).await, "HIT", "words change no answer");
    tenant.patch(&version, json!({ "status": "archived" })).await.is(200);
    tenant.patch(&version, json!({ "status": "ready" })).await.is(200);
    assert_eq!([ask(&path).await, ask(&other).await], ["MISS", "HIT"]);
    let metrics = tenant.get("/cache/metrics").await.is(200).json;
    assert_eq!(metrics["prediction_cache"]["invalidated"], 1);
}

#[tokio::test]
async fn every_answer_is_written_down_hits_too() {
    let (_app, tenant, path) = world().await;
    let mut ids = Vec::new();
    for request_id in ["a", "b", "c"] {
        let wish = json!({ "input_data": { "x": [[1, 2, 3, 4]] }, "request_id": request_id });
        ids.push(tenant.post(&path, wish).await.is(201).json["id"].clone());
    }
    let list = path.replace("/predict", "/predictions");
    let page = tenant.get(&format!("{list}?page_size=2")).await.is(200).json;
    assert_eq!((&page["total"], &page["total_pages"]), (&json!(3), &json!(2)));
    assert_eq!((&page["items"][0]["id"], &page["items"][0]["cached"]), (&ids[2], &json!(true)));
    assert_eq!(page["items"][1]["request_id"], "b");
    let one = tenant.get(&format!("/predictions/{}", ids[0].as_str().unwrap())).await.is(200).json;
    assert_eq!((&one["cached"], &one["input_data"]), (&json!(false), &json!({ "x": [[1, 2, 3, 4]] })));

    let export = tenant.get(&format!("{list}/export")).await.is(200);
    assert_eq!(export.header("content-type"), "text/csv; charset=utf-8");
    let text = String::from_utf8(export.bytes.to_vec()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "id,created_at,inference_time_ms,cached,input_data,output_data");
    assert_eq!(lines.len(), 4);
    assert!(lines[3].starts_with(ids[0].as_str().unwrap()), "{text}");
    assert!(lines[3].ends_with(r#",false,"{""x"":[[1,2,3,4]]}","{""y"":[[1.0,2.0,3.0,4.0]]}""#), "{text}");
}
