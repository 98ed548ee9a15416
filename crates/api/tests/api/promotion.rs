//! Promoting versions into slots, putting back what was served before, and the ledger of it.

use ortolan_blobs::ObjectPath;
use ortolan_domain::hash::sha256_hex;
use serde_json::{Value, json};

use crate::models::{ready, register};
use crate::support::{Client, MODEL, TestApp};

async fn served(app: &TestApp, slot: &str) -> Vec<u8> {
    app.wired.blobs.get(&ObjectPath::parse(&format!("models/a/{slot}.onnx")).unwrap()).await.unwrap().to_vec()
}

async fn ready_with(client: &Client, version: &str, bytes: &[u8]) -> String {
    let id = register(client, "net", version).await;
    crate::models::upload(client, &id, bytes).await.is(200);
    client.send("POST", &format!("/models/{id}/validate"), None, "").await.is(200);
    id
}

async fn history(client: &Client) -> Vec<Value> {
    client.get("/slots/detect/history").await.is(200).json["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_ready_version_is_copied_into_a_slot() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let pending = register(&tenant, "net", "0.1.0").await;
    let promote = async |id: &str, wish: Value| tenant.post(&format!("/models/{id}/promote"), wish).await;
    promote(&pending, json!({ "slot": "detect" })).await.refuses(409, "wrong_state");
    let id = ready(&tenant, "net", "1.0.0").await;
    promote(&id, json!({ "slot": "yolo" })).await.refuses(422, "invalid_field").naming("slot");
    promote(&id, json!({})).await.refuses(422, "invalid_field");

    let mut changes = app.wired.signals.model_changes();
    let slot = promote(&id, json!({ "slot": "detect" })).await.is(200).json;
    assert_eq!(
        (&slot["slot"], &slot["generation"], &slot["sha256"]),
        (&json!("detect"), &json!(1), &json!(sha256_hex(MODEL)))
    );
    assert_eq!(served(&app, "detect").await, MODEL);
    assert_eq!(changes.try_recv().unwrap().to_string(), "a/detect");
    assert!(app.ml.asked().contains(&"check Some(Detect)".to_owned()), "it was tried for this slot");
    let line = &history(&tenant).await[0];
    assert_eq!(
        (&line["action"], &line["generation"], &line["promoted_by"]),
        (&json!("promote"), &json!(1), &json!("test"))
    );
    assert_eq!(line["model"], json!({ "id": id, "name": "net", "version": "1.0.0" }));
    // The slot does not depend on the version any more.
    tenant.delete(&format!("/models/{id}")).await;
    assert_eq!(served(&app, "detect").await, MODEL);
    assert_eq!(history(&tenant).await[0]["model"]["name"], "net");
}

#[tokio::test]
async fn a_file_that_changed_behind_our_back_is_not_promoted() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let id = ready(&tenant, "net", "1.0.0").await;
    let path = ObjectPath::parse(&format!("models/a/registry/{id}.onnx")).unwrap();
    app.wired.blobs.put(&path, [MODEL, b"!"].concat().into()).await.unwrap();
    tenant.post(&format!("/models/{id}/promote"), json!({ "slot": "detect" })).await.refuses(409, "wrong_state");
    assert_eq!(app.objects(), [format!("models/a/registry/{id}.onnx")]);
}

#[tokio::test]
async fn what_was_served_before_is_put_back() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let version = |n: u8| [MODEL, &[n]].concat();
    let back = async |wish: &str| tenant.send("POST", "/slots/detect/rollback", None, wish.to_owned()).await;
    back("").await.refuses(409, "wrong_state");
    tenant.put_bytes("/slots/detect", &version(1)).await.is(200);
    back("").await.refuses(409, "wrong_state");
    let id = ready_with(&tenant, "1.0.0", &version(2)).await;
    tenant.post(&format!("/models/{id}/promote"), json!({ "slot": "detect" })).await.is(200);

    assert_eq!(back("").await.is(200).json["generation"], 3);
    assert_eq!(served(&app, "detect").await, version(1));
    assert_eq!(back("").await.is(200).json["generation"], 4);
    assert_eq!(served(&app, "detect").await, version(2));
    tenant.put_bytes("/slots/detect", &version(5)).await.is(200);
    // The upload of generation 1 is too old to be kept; the promoted version is still in the registry.
    back(r#"{"generation": 1}"#).await.refuses(409, "wrong_state");
    back(r#"{"generation": 2}"#).await.is(200);
    assert_eq!(served(&app, "detect").await, version(2));
    back(r#"{"generation": 9}"#).await.refuses(422, "invalid_field").naming("generation");
    back("{").await.refuses(400, "malformed_request");

    let lines = history(&tenant).await;
    let actions: Vec<_> = lines.iter().map(|line| line["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["rollback", "upload", "rollback", "rollback", "promote", "upload"]);
    assert_eq!((&lines[0]["model"]["id"], &lines[3]["model"]), (&json!(id), &Value::Null));
}

#[tokio::test]
async fn an_emptied_slot_keeps_its_history_and_counts_on() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    tenant.put_bytes("/slots/detect", MODEL).await.is(200);
    assert_eq!(tenant.delete("/slots/detect").await.status, 204);
    assert_eq!(app.objects(), Vec::<String>::new());
    assert_eq!(tenant.put_bytes("/slots/detect", MODEL).await.is(200).json["generation"], 2);
    let lines = history(&tenant).await;
    assert_eq!(lines.iter().map(|line| line["entry"].as_i64().unwrap()).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!((&lines[1]["action"], &lines[1]["sha256"]), (&json!("empty"), &Value::Null));
    tenant.get("/slots/yolo/history").await.refuses(422, "invalid_field");
}
