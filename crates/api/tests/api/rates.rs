//! How often a key may ask.

use std::time::Duration;

use ortolan_api::Rates;
use ortolan_service::config::Rate;
use serde_json::json;

use crate::support::TestApp;

fn per_minute(count: u32) -> Option<Rate> {
    Some(Rate { count, window: Duration::from_secs(60) })
}

#[tokio::test]
async fn past_its_rate_a_key_waits_for_the_next_window_whichever_process_it_asks() {
    let rates = Rates { requests: None, predictions: per_minute(4) };
    let app = TestApp::with(|settings| settings.rates = rates).await;
    let tenant = app.tenant("acme").await;
    let path = format!("/models/{}/predict", app.ready_model("acme", "iris", "1.0.0").await);
    let ask = |client: crate::support::Client| {
        let path = path.clone();
        async move { client.post(&path, json!({ "input_data": { "x": [[1, 2, 3, 4]] } })).await }
    };
    let settings = ortolan_api::ApiSettings { rates, ..Default::default() };
    let beside = tenant.at(app.beside_with(settings));
    for client in [&tenant, &beside, &tenant, &beside] {
        ask(client.clone()).await.is(201);
    }
    let refusal = ask(tenant.clone()).await.refuses(429, "rate_limited");
    // The window began at the full minute, five seconds ago.
    assert_eq!((refusal.header("retry-after"), &refusal.json["retry_after"]), ("56", &json!(56)));
    assert_eq!(refusal.json["error"], "rate_limit_exceeded");
    assert!(refusal.json["message"].as_str().unwrap().contains("4/minute"));
    ask(beside).await.refuses(429, "rate_limited");
    tenant.get("/me").await.is(200);
    app.clock.advance(Duration::from_secs(56));
    ask(tenant).await.is(201);
}

#[tokio::test]
async fn keys_are_counted_by_themselves_and_operators_are_not() {
    let app = TestApp::with(|settings| settings.rates = Rates { requests: per_minute(3), predictions: None }).await;
    let (one, other) = (app.tenant("one").await, app.tenant("other").await);
    for _ in 0..3 {
        one.get("/tasks").await.is(200);
    }
    one.get("/tasks").await.refuses(429, "rate_limited");
    let refusal = one.get("//v2/models/detect").await;
    assert_eq!((refusal.status.as_u16(), refusal.header("content-type")), (429, "application/json"));
    other.get("/tasks").await.is(200);
    for _ in 0..5 {
        app.operator().with("x-tenant-id", "one").get("/tasks").await.is(200);
    }
}
