//! Where pictures of pipelines may lie: only what is the tenant's own is looked at.

use std::time::Duration;

use ortolan_blobs::ObjectPath;
use serde_json::{Value, json};

use crate::support::{AUDIO, BROKEN, Client, MODEL, PICTURE, TestApp, UNKNOWN};

const ID: &str = "0199aaaa-0000-7000-8000-000000000001";

fn request(url: &str) -> Value {
    json!({
        "tenant_id": "acme", "session_id": ID, "image_id": ID, "image_url": url,
        "pipeline_definition": {"chain": [{"step": {"name": "detection"}}]}, "settings": {},
    })
}

/// An installation that waits for no pipeline, and a tenant with a detector.
async fn acme() -> (TestApp, Client) {
    let app = TestApp::with(|settings| settings.process_wait = Duration::from_millis(1)).await;
    let tenant = app.tenant("acme").await;
    tenant.put_bytes("/slots/detect", MODEL).await.is(200);
    (app, tenant)
}

async fn put(app: &TestApp, path: &str, bytes: &'static [u8]) {
    app.wired.blobs.put(&ObjectPath::parse(path).unwrap(), bytes.into()).await.unwrap();
}

async fn submitted(tenant: &Client) -> u64 {
    tenant.get("/tasks").await.is(200).json["total"].as_u64().unwrap()
}

#[tokio::test]
async fn a_tenants_own_object_is_looked_at_where_it_lies() {
    let (app, tenant) = acme().await;
    put(&app, "acme/in/1.png", PICTURE).await;
    let objects = app.objects();
    for scheme in ["gs", "s3"] {
        let url = format!("{scheme}://pictures/acme/in/1.png");
        tenant.post("/tasks/process", request(&url)).await.refuses(504, "deadline_exceeded");
    }
    let tasks = tenant.get("/tasks").await.is(200).json;
    assert_eq!((&tasks["total"], &tasks["tasks"][0]["media_id"]), (&json!(2), &Value::Null));
    let id = tasks["tasks"][0]["task_id"].as_str().unwrap();
    let input = app.wired.run(id).await.spec.input.unwrap();
    assert_eq!((input.media_id, input.object_path.as_str()), (None, "acme/in/1.png"));
    assert_eq!(input.sha256, ortolan_domain::hash::sha256_hex(PICTURE));
    assert_eq!(app.objects(), objects, "nothing was copied");
}

#[tokio::test]
async fn what_is_not_the_tenants_is_refused_before_anything_is_read() {
    let (app, tenant) = acme().await;
    put(&app, "other/in/1.png", PICTURE).await;
    put(&app, "models/other/detect.onnx", MODEL).await;
    let asked = app.ml.asked().len();
    for url in [
        "gs://pictures/other/in/1.png",
        "s3://pictures/other/in/1.png",
        "gs://pictures/acme/../other/in/1.png",
        "gs://pictures/acme/%2e%2e/other/in/1.png/..",
        "gs://pictures/acmeother/1.png",
        "gs://pictures/models/other/detect.onnx",
        "gs://theirs/acme/in/1.png",
        "gs://pictures",
        "gs:///acme/in/1.png",
        "gs://pictures/acme/",
        "http://example.org/1.png",
        "file:///etc/passwd",
        "GS://pictures/acme/in/1.png",
    ] {
        tenant.post("/tasks/process", request(url)).await.refuses(422, "invalid_field").naming("image_url");
    }
    assert_eq!((app.ml.asked().len(), submitted(&tenant).await), (asked, 0));
    // One's own that is not there, and another's that is, do not differ in what they tell of the other's.
    tenant.post("/tasks/process", request("gs://pictures/acme/none.png")).await.refuses(404, "not_found");
}

#[tokio::test]
async fn an_object_that_is_no_picture_is_refused_before_there_is_a_task() {
    let (app, tenant) = acme().await;
    put(&app, "acme/a", AUDIO).await;
    put(&app, "acme/b", BROKEN).await;
    put(&app, "acme/c", UNKNOWN).await;
    put(&app, "acme/d", b"killer").await;
    for (name, status, code) in [
        ("a", 422, "invalid_field"),
        ("b", 422, "corrupt_media"),
        ("c", 415, "unsupported_media_type"),
        ("d", 422, "corrupt_media"),
    ] {
        tenant.post("/tasks/process", request(&format!("gs://pictures/acme/{name}"))).await.refuses(status, code);
    }
    assert_eq!(submitted(&tenant).await, 0);
}

#[tokio::test]
async fn an_object_that_is_too_large_is_refused() {
    let app = TestApp::with(|settings| settings.max_media_bytes = 20).await;
    let tenant = app.tenant("acme").await;
    tenant.put_bytes("/slots/detect", MODEL).await.is(200);
    put(&app, "acme/large.png", PICTURE).await;
    tenant.post("/tasks/process", request("gs://pictures/acme/large.png")).await.refuses(413, "too_large");
}

#[tokio::test]
async fn the_web_is_asked_only_where_the_installation_allows_it() {
    let (_app, tenant) = acme().await;
    let refused = tenant.post("/tasks/process", request("https://example.org/1.png")).await;
    let refused = refused.refuses(422, "invalid_field").naming("image_url");
    assert!(refused.json["detail"].as_str().unwrap().contains("outbound.fetch_pictures"), "{}", refused.json);
}
