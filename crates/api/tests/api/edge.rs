//! What holds for every request.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::TestApp;

#[tokio::test]
async fn every_answer_names_its_request_and_its_time() {
    let app = TestApp::new().await;
    for (client, path) in [(app.operator(), "/me"), (app.nobody(), "/me"), (app.nobody(), "/nowhere")] {
        let answer = client.with("x-request-id", "abc-123").get(path).await;
        assert_eq!(answer.header("x-request-id"), "abc-123");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let time = answer.header("x-response-time").strip_suffix("ms").unwrap().to_owned();
        assert_eq!(time.split_once('.').unwrap().1.len(), 2, "{time}");
        time.parse::<f64>().unwrap();
    }
    let made = app.operator().with("x-request-id", "no good").get("/me").await;
    assert_ne!(made.header("x-request-id"), "no good");
    assert_ne!(made.header("x-request-id"), app.operator().get("/me").await.header("x-request-id"));
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let app = TestApp::new().await;
    let operator = app.operator();
    operator.get("/nowhere").await.refuses(404, "not_found");
    operator.get("//nowhere").await.refuses(404, "not_found");
    operator.get("/tasks/").await.refuses(404, "not_found");
    let answer = operator.send("PUT", "/tasks", None, "").await.refuses(405, "method_not_allowed");
    assert!(answer.header("allow").contains("GET") && answer.header("allow").contains("POST"));
    operator.send("BREW", "/tasks", None, "").await.refuses(405, "method_not_allowed");
}

#[tokio::test]
async fn paths_that_are_no_text_or_no_ids_are_problems_too() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let answer = tenant.get("/tasks/%FF").await.refuses(400, "malformed_request");
    assert!(!answer.json["detail"].as_str().unwrap().is_empty());
    let answer = tenant.get("/tasks/not-an-id").await.refuses(400, "malformed_request").naming("task_id");
    assert_eq!(answer.json["errors"][0]["reason"], "Invalid UUID format for task_id: not-an-id");
    tenant.get("/tasks/..%2f..%2fetc").await.refuses(400, "malformed_request");
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    for (query, name) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("limit=-1", "limit"),
        ("offset=-1", "offset"),
        ("status=done", "status"),
        ("status=pending,,", "status"),
        ("task_type=magic", "task_type"),
        ("video_id=7", "video_id"),
        ("sort_by=name", "sort_by"),
        ("sort_order=up", "sort_order"),
        ("colour=red", "colour"),
    ] {
        tenant.get(&format!("/tasks?{query}")).await.refuses(400, "malformed_request").naming(name);
    }
    for (query, name) in
        [("page=0", "page"), ("page_size=0", "page_size"), ("page_size=101", "page_size"), ("x=1", "x")]
    {
        tenant.get(&format!("/media?{query}")).await.refuses(400, "malformed_request").naming(name);
    }
    let task = tenant.noop().await;
    tenant.get(&format!("/tasks/{task}?wait=31")).await.refuses(400, "malformed_request").naming("wait");
    tenant.get(&format!("/tasks/{task}/artifacts?limit=101")).await.refuses(400, "malformed_request").naming("limit");
}

#[tokio::test]
async fn a_panic_tells_nothing() {
    let app = TestApp::new().await;
    let tenant = app.tenant("panic").await;
    let answer = tenant.get("/model-cache").await.refuses(500, "internal_error");
    let body = String::from_utf8_lossy(&answer.bytes).into_owned();
    for secret in ["passwd", "panicked", ".rs", "secret"] {
        assert!(!body.contains(secret), "{body}");
    }
}

#[tokio::test]
async fn bodies_are_bounded() {
    let app = TestApp::with(|settings| settings.max_json_bytes = 1_000).await;
    let tenant = app.tenant("a").await;
    let long = format!("{{\"task_type\":\"noop\",\"config\":{{}}{}}}", " ".repeat(1_000));
    tenant.send("POST", "/tasks", Some("application/json"), long.clone()).await.refuses(413, "too_large");
    let chunks = long.into_bytes().chunks(100).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect::<Vec<_>>();
    let body = axum::body::Body::from_stream(futures::stream::iter(chunks));
    tenant.send("POST", "/tasks", Some("application/json"), body).await.refuses(413, "too_large");
}

#[tokio::test]
async fn past_the_limit_of_requests_the_answer_is_too_busy() {
    let app = TestApp::with(|settings| settings.max_requests = 0).await;
    let answer = app.nobody().get("/me").await.refuses(503, "overloaded");
    assert_eq!(answer.header("retry-after"), "1");
    // Whoever watches over the service must not take it for dead.
    let alive = app.nobody().get("//health/live").await.is(200);
    assert_eq!((&alive.bytes[..], alive.header("x-request-id").len()), (&b"alive"[..], 36));
}

#[tokio::test]
async fn one_tenants_requests_do_not_take_the_places_of_all() {
    let app = TestApp::with(|settings| settings.max_requests_per_tenant = 1).await;
    let (busy, other) = (app.tenant("a").await, app.tenant("b").await);
    let id = busy.noop().await;
    // Nothing dispatches, so this one waits; it is asked until it waits, and then left.
    let path = format!("/tasks/{id}?wait=30");
    let (mut waiting, mut is_refused) = (Box::pin(busy.get(&path)), false);
    while !is_refused && futures::poll!(&mut waiting).is_pending() {
        let answer = busy.get("/tasks").await;
        if answer.status == 429 {
            let refused = answer.refuses(429, "quota_exceeded");
            assert_eq!(refused.header("retry-after"), "1");
            is_refused = true;
        }
    }
    assert!(is_refused, "the request that waits takes no place");
    other.get("/tasks").await.is(200);
    drop(waiting);
    busy.get("/tasks").await.is(200);
}

#[tokio::test]
async fn browsers_are_told_who_may_call() {
    let app = TestApp::new().await;
    let ask = |origin: &str| {
        app.nobody()
            .with("origin", origin)
            .with("access-control-request-method", "POST")
            .with("access-control-request-headers", "authorization,content-type,idempotency-key")
    };
    let allowed = ask("http://localhost:3000").send("OPTIONS", "/tasks", None, "").await;
    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.header("access-control-allow-origin"), "http://localhost:3000");
    assert!(allowed.header("access-control-allow-methods").contains("POST"));
    assert!(allowed.header("access-control-allow-headers").contains("idempotency-key"));
    let refused = ask("http://evil.example").send("OPTIONS", "/tasks", None, "").await;
    assert_eq!(refused.header("access-control-allow-origin"), "");
    let plain = app.nobody().with("origin", "http://localhost:8000").get("/me").await.is(401);
    assert_eq!(plain.header("access-control-allow-origin"), "http://localhost:8000");
    assert!(plain.header("access-control-expose-headers").contains("x-request-id"));
}

/// Sends a head and a body over a real connection; returns everything that comes back.
async fn converse(app: &TestApp, head: &str, body: &[u8]) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum::serve(listener, app.router.clone()).into_future());
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(body).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(60), connection.read_to_string(&mut answer)).await.unwrap().unwrap();
    server.abort();
    answer
}

#[tokio::test]
async fn a_client_that_is_refused_while_it_sends_gets_its_answer() {
    let app = TestApp::new().await;
    let body = vec![0; 16 << 20];
    let head = format!(
        "POST /api/v1/media HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let answer = converse(&app, &head, &body).await;
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("unauthenticated"), "{answer}");
}

#[tokio::test]
async fn a_client_that_asks_first_is_not_told_to_send_what_is_refused() {
    let app = TestApp::new().await;
    let head = "POST /api/v1/media HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 99999999\r\n\
        Expect: 100-continue\r\nConnection: close\r\n\r\n";
    let answer = converse(&app, head, b"").await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

#[tokio::test]
async fn without_keys_only_this_machine_is_answered() {
    let app = TestApp::with(|settings| settings.no_auth = ortolan_domain::TenantSlug::parse("default").ok()).await;
    let tenant = app.nobody().with("host", "127.0.0.1:8000");
    tenant.get("/me").await.refuses(401, "unauthenticated");
    app.operator().post("/tenants", json!({ "name": "default" })).await.is(201);
    let me = tenant.get("/me").await.is(200).json;
    assert_eq!((&me["tenant"]["name"], &me["key"]), (&json!("default"), &json!(null)));
    tenant.noop().await;
    tenant.get("/tenants").await.refuses(403, "forbidden");
    tenant.with("origin", "http://evil.example").get("/me").await.refuses(403, "forbidden");
    app.nobody().with("host", "evil.example").get("/me").await.refuses(403, "forbidden");
    tenant.with_key("wrong").get("/me").await.refuses(401, "unauthenticated");
}
