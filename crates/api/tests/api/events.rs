//! Following a task.

use axum::body::{Body, BodyDataStream};
use futures::StreamExt;
use serde_json::Value;

use crate::support::{Client, TestApp};

/// An open stream of events.
struct Events {
    body: BodyDataStream,
    buffer: String,
}

impl Events {
    async fn of(client: &Client, task: &str) -> Self {
        let response = client.open("GET", &format!("/tasks/{task}/events"), None, Body::empty()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Self { body: response.into_body().into_data_stream(), buffer: String::new() }
    }

    /// The next event: its id and its data; `None` at the end of the stream.
    async fn next(&mut self) -> Option<(i64, Value)> {
        loop {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let found = field("id:")
                    .map(|id| (id.parse().unwrap(), serde_json::from_str(field("data:").unwrap()).unwrap()));
                self.buffer = rest.to_owned();
                if found.is_some() {
                    return found;
                }
                continue;
            }
            let chunk = self.body.next().await?.unwrap();
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

#[tokio::test]
async fn the_present_state_comes_first_and_then_each_change_until_the_end() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let id = tenant.noop().await;
    let mut events = Events::of(&tenant, &id).await;
    let (first, data) = events.next().await.unwrap();
    assert_eq!((&data["status"], data["version"].as_i64()), (&"pending".into(), Some(first)));
    assert_eq!(data, tenant.get(&format!("/tasks/{id}")).await.json);
    app.wired.dispatch().await;
    let (second, data) = events.next().await.unwrap();
    assert_eq!(data["status"], "queued");
    let task = app.wired.claim(&id).await;
    let (third, data) = events.next().await.unwrap();
    assert_eq!(data["status"], "running");
    app.wired.complete(&task).await;
    let (last, data) = events.next().await.unwrap();
    assert_eq!(data["status"], "completed");
    assert!(first < second && second < third && third < last);
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn a_client_that_comes_back_hears_only_what_is_new() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let id = tenant.noop().await;
    let (seen, _) = Events::of(&tenant, &id).await.next().await.unwrap();
    let back = tenant.with("last-event-id", &seen.to_string());
    let mut events = Events::of(&back, &id).await;
    app.wired.dispatch().await;
    assert_eq!(events.next().await.unwrap().1["status"], "queued");
    drop(events);
    let task = app.wired.claim(&id).await;
    app.wired.complete(&task).await;
    let mut events = Events::of(&back, &id).await;
    let (last, data) = events.next().await.unwrap();
    assert_eq!(data["status"], "completed");
    assert!(events.next().await.is_none());
    let done = tenant.with("last-event-id", &last.to_string()).get(&format!("/tasks/{id}/events")).await;
    assert_eq!(done.status, 204);
    let bad = tenant.with("last-event-id", "x").get(&format!("/tasks/{id}/events")).await;
    bad.refuses(400, "malformed_request").naming("Last-Event-ID");
}

#[tokio::test]
async fn a_stream_ends_with_the_key_and_with_the_service() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let id = tenant.noop().await;
    let me = tenant.get("/me").await.json;
    let second = app.key(me["tenant"]["id"].as_str().unwrap(), &["read"]).await;
    let mut events = Events::of(&second, &id).await;
    let mut others = Events::of(&tenant, &id).await;
    events.next().await.unwrap();
    others.next().await.unwrap();
    let key = second.get("/me").await.json["key"]["id"].as_str().unwrap().to_owned();
    tenant.delete(&format!("/keys/{key}")).await.is(204);
    app.wired.dispatch().await;
    assert!(events.next().await.is_none());
    assert_eq!(others.next().await.unwrap().1["status"], "queued");
    app.stop.cancel();
    assert!(others.next().await.is_none());
}
