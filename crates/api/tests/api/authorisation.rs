//! Every route has its case here: who may not, and what another tenant gets. The list is compared with the OpenAPI document,
//! which is made of the routes themselves.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Client, TestApp, ready_for_detection};

/// What another tenant's key, with every scope, gets for a path that names something of this tenant's.
#[derive(Clone, Copy)]
enum Other {
    /// 404, as if it did not exist.
    NotFound,
    /// The path names nothing of a tenant's: it is always about the caller's own.
    Own,
    /// Only an operator may at all.
    Operator,
}

/// Method, path, the scope that is needed, what another tenant gets. `any` is any key.
const CASES: &[(&str, &str, &str, Other)] = &[
    ("GET", "/tasks", "read", Other::Own),
    ("POST", "/tasks", "write", Other::Own),
    ("POST", "/tasks/reconcile", "admin", Other::Own),
    ("POST", "/tasks/process", "write", Other::Own),
    ("GET", "/pipelines/steps", "read", Other::Own),
    ("GET", "/tasks/{task_id}", "read", Other::NotFound),
    ("GET", "/tasks/{task_id}/artifacts", "read", Other::NotFound),
    ("GET", "/tasks/{task_id}/annotated", "read", Other::NotFound),
    ("GET", "/tasks/{task_id}/events", "read", Other::NotFound),
    ("POST", "/tasks/{task_id}/enqueue", "write", Other::NotFound),
    ("POST", "/tasks/{task_id}/cancel", "write", Other::NotFound),
    ("POST", "/tasks/{task_id}/retry", "write", Other::NotFound),
    ("GET", "/media", "read", Other::Own),
    ("POST", "/media", "write", Other::Own),
    ("GET", "/media/{media_id}", "read", Other::NotFound),
    ("GET", "/media/{media_id}/content", "read", Other::NotFound),
    ("DELETE", "/media/{media_id}", "write", Other::NotFound),
    ("GET", "/models", "read", Other::Own),
    ("POST", "/models", "write", Other::Own),
    ("GET", "/models/{model_id}", "read", Other::NotFound),
    ("PATCH", "/models/{model_id}", "write", Other::NotFound),
    ("DELETE", "/models/{model_id}", "write", Other::NotFound),
    ("POST", "/models/{model_id}/upload", "write", Other::NotFound),
    ("POST", "/models/{model_id}/validate", "write", Other::NotFound),
    ("POST", "/models/{model_id}/promote", "admin", Other::NotFound),
    ("GET", "/models/by-name/{name}/versions", "read", Other::NotFound),
    ("GET", "/models/by-name/{name}/latest", "read", Other::NotFound),
    ("GET", "/quarantine", "read", Other::Own),
    ("DELETE", "/quarantine", "operator", Other::Operator),
    ("DELETE", "/quarantine/{quarantine_id}", "operator", Other::Operator),
    ("GET", "/slots", "read", Other::Own),
    ("PUT", "/slots/{type}", "admin", Other::Own),
    // Another tenant's slot of that name is empty.
    ("DELETE", "/slots/{type}", "admin", Other::NotFound),
    ("GET", "/slots/{type}/history", "read", Other::Own),
    ("POST", "/slots/{type}/rollback", "admin", Other::Own),
    ("GET", "/model-cache", "admin", Other::Own),
    ("DELETE", "/model-cache", "admin", Other::Own),
    ("POST", "/models/{model_id}/predict", "write", Other::NotFound),
    ("GET", "/models/{model_id}/predictions", "read", Other::NotFound),
    ("GET", "/models/{model_id}/predictions/export", "read", Other::NotFound),
    ("GET", "/predictions/{prediction_id}", "read", Other::NotFound),
    ("POST", "/predict", "write", Other::Own),
    ("GET", "/jobs", "read", Other::Own),
    ("POST", "/jobs", "write", Other::Own),
    ("GET", "/jobs/{job_id}", "read", Other::NotFound),
    ("DELETE", "/jobs/{job_id}", "write", Other::NotFound),
    ("GET", "/jobs/{job_id}/result", "read", Other::NotFound),
    ("POST", "/jobs/{job_id}/cancel", "write", Other::NotFound),
    ("GET", "/cache/metrics", "read", Other::Own),
    ("POST", "/cache/metrics/reset", "admin", Other::Own),
    ("GET", "/tenants", "operator", Other::Operator),
    ("POST", "/tenants", "operator", Other::Operator),
    ("GET", "/tenants/{tenant_id}", "operator", Other::Operator),
    ("PATCH", "/tenants/{tenant_id}", "operator", Other::Operator),
    ("DELETE", "/tenants/{tenant_id}", "operator", Other::Operator),
    ("GET", "/tenants/{tenant_id}/keys", "admin", Other::NotFound),
    ("POST", "/tenants/{tenant_id}/keys", "admin", Other::NotFound),
    ("DELETE", "/keys/{key_id}", "admin", Other::NotFound),
    ("GET", "/me", "any", Other::Own),
    ("GET", "/usage", "read", Other::Own),
];

/// Paths that answer without a key.
const OPEN: &[(&str, &str)] = &[("GET", "/health/workers")];

fn routes() -> BTreeSet<(String, String)> {
    let document: Value = serde_json::from_slice(&ortolan_api::openapi_json()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let methods =
        |item: &Value| item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect::<Vec<_>>();
    paths.iter().flat_map(|(path, item)| methods(item).into_iter().map(move |method| (method, path.clone()))).collect()
}

#[test]
fn every_route_has_its_case() {
    let cases = CASES.iter().map(|(method, path, ..)| (method.to_string(), format!("/api/v1{path}")));
    let open = OPEN.iter().map(|(method, path)| (method.to_string(), path.to_string()));
    let protocol = crate::protocol::CASES.iter().map(|(method, path, _)| (method.to_string(), path.to_string()));
    assert_eq!(cases.chain(open).chain(protocol).collect::<BTreeSet<_>>(), routes());
}

/// A tenant that has one of everything, and the paths' names filled in with it.
struct World {
    app: TestApp,
    tenant: Client,
    names: Vec<(&'static str, String)>,
}

impl World {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let tenant = app.tenant("tenant-a").await;
        let media = ready_for_detection(&tenant).await;
        let model = app.ready_model("tenant-a", "iris", "1.0.0").await;
        let prediction = call(&tenant, "POST", &format!("/models/{model}/predict")).await.is(201).json;
        let job = tenant.post("/jobs", json!({ "model_id": model.to_string(), "input_data": {} })).await.is(201).json;
        let me = tenant.get("/me").await.is(200).json;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        crate::models::ready(&tenant, "boxes", "1.0.0").await;
        let file = ortolan_blobs::ObjectPath::parse(&format!("models/tenant-a/registry/{model}.onnx")).unwrap();
        app.wired.blobs.put(&file, crate::support::MODEL.into()).await.unwrap();
        let names = vec![
            ("{task_id}", tenant.noop().await),
            ("{media_id}", media),
            ("{tenant_id}", text(&me["tenant"]["id"])),
            ("{key_id}", text(&me["key"]["id"])),
            ("{job_id}", text(&job["job_id"])),
            ("{model_id}", model.to_string()),
            ("{prediction_id}", text(&prediction["id"])),
            ("{type}", "detect".to_owned()),
            ("{name}", "boxes".to_owned()),
            ("{quarantine_id}", crate::quarantine::quarantined(&app, &me["tenant"]["id"]).await),
        ];
        Self { app, tenant, names }
    }

    fn path(&self, path: &str) -> String {
        self.names.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value))
    }

    async fn tenant_id(&self) -> String {
        self.tenant.get("/me").await.json["tenant"]["id"].as_str().unwrap().to_owned()
    }
}

/// A body that would be right, where one is needed.
async fn call(client: &Client, method: &str, path: &str) -> crate::support::Answer {
    match (method, path.rsplit('/').next()) {
        ("POST", Some("keys")) => client.post(path, json!({ "name": "k", "scopes": ["read"] })).await,
        ("POST", Some("tasks")) => client.post(path, json!({ "task_type": "noop" })).await,
        ("POST", Some("jobs")) => client.post(path, json!({})).await,
        ("POST", Some("models")) => client.post(path, json!({ "name": "another" })).await,
        ("POST", Some("promote")) => client.post(path, json!({ "slot": "detect" })).await,
        ("POST", Some("predict")) if path.starts_with("/models") => {
            client.post(path, json!({ "input_data": { "x": [[1, 2, 3, 4]] } })).await
        }
        ("POST", Some("predict")) => {
            client.post(path, json!({ "requests": [{ "model": "a", "input_data": {} }] })).await
        }
        ("POST", Some("tenants")) => client.post(path, json!({ "name": "tenant-x" })).await,
        ("PATCH", _) => client.patch(path, json!({})).await,
        ("PUT", _) => client.put_bytes(path, crate::support::MODEL).await,
        _ => client.send(method, path, None, "").await,
    }
}

#[tokio::test]
async fn without_a_valid_key_there_is_no_answer() {
    let world = World::new().await;
    let nobody = world.app.nobody();
    for (method, path, ..) in CASES {
        let path = world.path(path);
        let answer = call(&nobody, method, &path).await.refuses(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{method} {path}");
        for bad in ["Bearer wrong", "Bearer ", "Basic d3Jvbmc6a2V5", "wrong"] {
            call(&nobody.with("authorization", bad), method, &path).await.refuses(401, "unauthenticated");
        }
        call(&nobody.with("x-api-key", "wrong"), method, &path).await.refuses(401, "unauthenticated");
    }
}

#[tokio::test]
async fn a_key_without_the_scope_is_refused() {
    let world = World::new().await;
    let tenant_id = world.tenant_id().await;
    for (method, path, scope, _) in CASES.iter().filter(|(_, _, scope, _)| *scope != "any") {
        let others: Vec<_> = ["read", "write", "admin"].into_iter().filter(|other| other != scope).collect();
        let client = world.app.key(&tenant_id, &others).await;
        call(&client, method, &world.path(path)).await.refuses(403, "forbidden");
    }
}

#[tokio::test]
async fn what_is_another_tenants_does_not_exist() {
    let world = World::new().await;
    let stranger = world.app.tenant("tenant-b").await;
    for (method, path, _, other) in CASES {
        let path = world.path(path);
        match other {
            Other::NotFound => drop(call(&stranger, method, &path).await.refuses(404, "not_found")),
            Other::Operator => drop(call(&stranger, method, &path).await.refuses(403, "forbidden")),
            Other::Own => {}
        }
    }
    // Nothing of all that did anything.
    let world_has = |path: &'static str| world.tenant.get(path);
    assert_eq!(world_has("/tasks").await.is(200).json["total"], 2, "a no-op and a job");
    assert_eq!(world_has("/tasks").await.json["tasks"][0]["status"], "pending");
    assert_eq!(world_has("/media").await.is(200).json["total"], 1);
    assert_eq!(world_has("/slots").await.is(200).json["total"], 1);
    // And the stranger's own lists are empty.
    for path in ["/media", "/tasks", "/models", "/quarantine", "/slots/detect/history"] {
        assert_eq!(stranger.get(path).await.is(200).json["total"], 0, "{path}");
    }
}

#[tokio::test]
async fn with_the_scope_the_call_goes_through() {
    for (method, path, scope, other) in CASES {
        let world = World::new().await;
        let tenant_id = world.tenant_id().await;
        let client = match (other, *scope) {
            (Other::Operator, _) if path.starts_with("/quarantine") => {
                world.app.operator().with("x-tenant-id", &tenant_id)
            }
            (Other::Operator, _) => world.app.operator(),
            (_, "any") => world.app.key(&tenant_id, &["read"]).await,
            (_, scope) => world.app.key(&tenant_id, &[scope]).await,
        };
        // A stream of events of a task that stands still has no end.
        if path.ends_with("/events") {
            let stream = client.open(method, &world.path(path), None, axum::body::Body::empty()).await;
            assert_eq!(stream.status(), 200);
            continue;
        }
        let answer = call(&client, method, &world.path(path)).await;
        assert!(!matches!(answer.status.as_u16(), 401 | 403 | 404 | 500), "{method} {path}: {answer:?}");
    }
}

#[tokio::test]
async fn open_paths_need_no_key() {
    let app = TestApp::new().await;
    for (method, path) in OPEN {
        app.nobody().send(method, &format!("/{path}"), None, "").await.is(200);
    }
    for path in ["//", "//docs", "//docs/docs.js", "//docs/style.css", "//api/v1/openapi.json"] {
        app.nobody().get(path).await.is(200);
    }
}
