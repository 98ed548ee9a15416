//! The registry of models: rows, names and versions.

use serde_json::{Value, json};

use crate::support::{Answer, Client, MODEL, TestApp};

/// A registered version; its id.
pub async fn register(client: &Client, name: &str, version: &str) -> String {
    let made = client.post("/models", json!({ "name": name, "version": version })).await.is(201);
    made.json["id"].as_str().unwrap().to_owned()
}

/// Uploads a version's file.
pub async fn upload(client: &Client, id: &str, bytes: &[u8]) -> Answer {
    client.post_form(&format!("/models/{id}/upload"), &[("file", Some("net.onnx"), bytes)]).await
}

/// A version with a file that was found to be good; its id.
pub async fn ready(client: &Client, name: &str, version: &str) -> String {
    let id = register(client, name, version).await;
    upload(client, &id, MODEL).await.is(200);
    let validated = client.send("POST", &format!("/models/{id}/validate"), None, "").await.is(200);
    assert_eq!(validated.json["status"], "ready");
    id
}

fn versions(answer: &Value) -> Vec<&str> {
    answer["versions"].as_array().unwrap().iter().map(|version| version["version"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_version_is_registered_shown_changed_and_deleted() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let wish = json!({ "name": "boxes", "description": "finds boxes", "model_metadata": { "team": "x" } });
    let made = tenant.post("/models", wish).await.is(201);
    let id = made.json["id"].as_str().unwrap();
    assert_eq!(made.header("location"), format!("/api/v1/models/{id}"));
    let right = json!({
        "id": id, "name": "boxes", "version": "1.0.0", "description": "finds boxes", "model_metadata": { "team": "x" },
        "status": "pending", "file_path": null, "file_size_bytes": null, "file_hash": null, "input_schema": null,
        "output_schema": null, "metadata": null, "error_message": null,
        "created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:05Z",
    });
    assert_eq!(made.json, right);
    assert_eq!(tenant.get(&format!("/models/{id}")).await.is(200).json, right);

    let path = format!("/models/{id}");
    let changed =
        tenant.patch(&path, json!({ "name": "crates", "version": "1.1.0", "model_metadata": {} })).await.is(200);
    assert_eq!((&changed.json["name"], &changed.json["version"]), (&json!("crates"), &json!("1.1.0")));
    assert_eq!((&changed.json["model_metadata"], &changed.json["description"]), (&json!({}), &json!("finds boxes")));
    assert_eq!(tenant.delete(&path).await.status, 204);
    for gone in [tenant.get(&path).await, tenant.patch(&path, json!({})).await, tenant.delete(&path).await] {
        let detail = gone.refuses(404, "not_found").json["detail"].clone();
        assert_eq!(detail, format!("Model with ID {id} not found"));
    }
    tenant.get("/models/7").await.refuses(400, "malformed_request").naming("model_id");
}

#[tokio::test]
async fn a_bad_wish_is_refused_by_field() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    for (bad, field) in [
        (json!({}), "body"),
        (json!({ "name": "" }), "name"),
        (json!({ "name": "x".repeat(256) }), "name"),
        (json!({ "name": "a/b" }), "name"),
        (json!({ "name": "a", "version": "" }), "version"),
        (json!({ "name": "a", "version": "1".repeat(51) }), "version"),
        (json!({ "name": "a", "description": "x".repeat(4001) }), "description"),
        (json!({ "name": "a", "model_metadata": [1] }), "model_metadata"),
        (json!({ "name": "a", "model_metadata": { "x": "y".repeat(70_000) } }), "model_metadata"),
        (json!({ "name": "a", "status": "ready" }), "status"),
    ] {
        tenant.post("/models", bad).await.refuses(422, "invalid_field").naming(field);
    }
    assert_eq!(tenant.get("/models").await.is(200).json["total"], 0);
}

#[tokio::test]
async fn a_name_and_version_are_taken_once_in_a_tenant() {
    let app = TestApp::new().await;
    let (tenant, other) = (app.tenant("a").await, app.tenant("b").await);
    register(&tenant, "net", "1.0.0").await;
    let second = register(&tenant, "net", "2.0.0").await;
    register(&other, "net", "1.0.0").await;
    let taken = "Model with name 'net' and version '1.0.0' already exists";
    let again = tenant.post("/models", json!({ "name": "net" })).await.refuses(409, "duplicate");
    assert_eq!(again.json["detail"], taken);
    let renamed = tenant.patch(&format!("/models/{second}"), json!({ "version": "1.0.0" })).await;
    assert_eq!(renamed.refuses(409, "duplicate").json["detail"], taken);
}

#[tokio::test]
async fn the_same_key_and_wish_give_the_same_version() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let keyed = tenant.with("idempotency-key", "k-1");
    let first = register(&keyed, "net", "1.0.0").await;
    assert_eq!(register(&keyed, "net", "1.0.0").await, first);
    keyed.post("/models", json!({ "name": "other" })).await.refuses(409, "idempotency_conflict");
    assert_eq!(tenant.get("/models").await.json["total"], 1);
}

#[tokio::test]
async fn versions_sort_as_versions_do() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    for version in ["1.9.0", "latest", "2.0.0", "1.0.0-beta", "1.10.0", "1.0.0", "1.0.0-rc.2", "1.0.0-rc.10"] {
        register(&tenant, "my net", version).await;
    }
    let found = tenant.get("/models/by-name/my%20net/versions").await.is(200).json;
    let right = ["2.0.0", "1.10.0", "1.9.0", "1.0.0", "1.0.0-rc.10", "1.0.0-rc.2", "1.0.0-beta", "latest"];
    assert_eq!(versions(&found), right);
    assert_eq!(
        (&found["name"], &found["total"], &found["latest_version"]),
        (&json!("my net"), &json!(8), &json!("2.0.0"))
    );
    for field in ["id", "version", "status", "created_at"] {
        assert!(found["versions"][0][field].is_string(), "{field}");
    }
    for unknown in ["nobody", "..%2f..", "a%00b"] {
        tenant.get(&format!("/models/by-name/{unknown}/versions")).await.refuses(404, "not_found");
    }
    app.tenant("b").await.get("/models/by-name/my%20net/versions").await.refuses(404, "not_found");
}

#[tokio::test]
async fn the_latest_version_may_have_to_be_ready() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    register(&tenant, "net", "2.0.0").await;
    let ready_path = "/models/by-name/net/latest?ready_only=true";
    tenant.get(ready_path).await.refuses(404, "not_found");
    ready(&tenant, "net", "1.9.0").await;
    ready(&tenant, "net", "1.10.0").await;
    assert_eq!(tenant.get("/models/by-name/net/latest").await.is(200).json["version"], "2.0.0");
    assert_eq!(tenant.get("/models/by-name/net/latest?ready_only=false").await.is(200).json["version"], "2.0.0");
    assert_eq!(tenant.get(ready_path).await.is(200).json["version"], "1.10.0");
    tenant
        .get("/models/by-name/net/latest?ready_only=maybe")
        .await
        .refuses(400, "malformed_request")
        .naming("ready_only");
    tenant.get("/models/by-name/nobody/latest").await.refuses(404, "not_found");
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_paged() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    for (name, version) in [("b", "1.9.0"), ("b", "1.10.0"), ("a", "3.0.0")] {
        register(&tenant, name, version).await;
    }
    ready(&tenant, "c", "0.1.0").await;
    let list = async |query: &str| {
        let found = tenant.get(&format!("/models?{query}")).await.is(200).json;
        let items = found["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["version"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list("").await, ["0.1.0", "3.0.0", "1.10.0", "1.9.0"]);
    assert_eq!(list("sort_by=name&order=asc").await, ["3.0.0", "1.9.0", "1.10.0", "0.1.0"]);
    assert_eq!(list("name=b&page_size=1&page=2").await, ["1.9.0"]);
    assert_eq!(list("status=READY,error").await, ["0.1.0"]);
    assert_eq!(list("sort_by=size&page_size=1").await, ["0.1.0"]);
    let page = tenant.get("/models?page_size=3&page=2").await.is(200).json;
    assert_eq!((&page["total"], &page["total_pages"], &page["page"]), (&json!(4), &json!(2), &json!(2)));
    for bad in ["status=done", "sort_by=colour", "order=up", "page=0", "page_size=101", "zzz=1", "name=a%2fb"] {
        tenant.get(&format!("/models?{bad}")).await.refuses(400, "malformed_request");
    }
}

#[tokio::test]
async fn a_status_can_only_be_set_to_the_archive_and_back() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let pending = format!("/models/{}", register(&tenant, "net", "0.1.0").await);
    let ready = format!("/models/{}", ready(&tenant, "net", "1.0.0").await);
    for status in ["pending", "uploaded", "validating", "ready", "error"] {
        tenant.patch(&pending, json!({ "status": status })).await.refuses(409, "wrong_state");
        tenant.patch(&ready, json!({ "status": status })).await.refuses(409, "wrong_state");
    }
    tenant.patch(&ready, json!({ "status": "done" })).await.refuses(422, "invalid_field").naming("status");
    for (path, before) in [(&pending, "pending"), (&ready, "ready")] {
        assert_eq!(tenant.patch(path, json!({ "status": "archived" })).await.is(200).json["status"], "archived");
        tenant.patch(path, json!({ "status": "archived" })).await.refuses(409, "wrong_state");
        tenant.patch(path, json!({ "status": "error" })).await.refuses(409, "wrong_state");
        assert_eq!(tenant.get("/models/by-name/net/latest?ready_only=true").await.status == 200, before == "pending");
        assert_eq!(tenant.patch(path, json!({ "status": before })).await.is(200).json["status"], before);
    }
}
