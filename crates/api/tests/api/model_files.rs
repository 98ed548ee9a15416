//! The registry of models: files and their validation.

use axum::body::Body;
use futures::{StreamExt, stream};
use ortolan_blobs::ObjectPath;
use ortolan_domain::hash::sha256_hex;
use ortolan_domain::model::ModelRef;
use ortolan_domain::{ModelId, TenantSlug};
use serde_json::{Value, json};

use crate::models::{ready, register, upload};
use crate::support::{Answer, Client, MODEL, TestApp, UNKNOWN, form};

const KIND: Option<&str> = Some("multipart/form-data; boundary=XX");

async fn validate(client: &Client, id: &str) -> Answer {
    client.send("POST", &format!("/models/{id}/validate"), None, "").await
}

async fn status(client: &Client, id: &str) -> Value {
    client.get(&format!("/models/{id}")).await.is(200).json["status"].clone()
}

#[tokio::test]
async fn a_file_goes_to_its_place_and_everyone_is_told() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let id = register(&tenant, "net", "1.0.0").await;
    let mut changes = app.wired.signals.model_changes();
    let uploaded = upload(&tenant, &id, MODEL).await.is(200).json;
    let path = format!("models/a/registry/{id}.onnx");
    assert_eq!(uploaded["message"], "Model file uploaded; validate it next");
    let right = json!({
        "id": id, "file_path": path, "file_size_bytes": MODEL.len(), "file_hash": sha256_hex(MODEL), "status": "uploaded",
        "message": uploaded["message"],
    });
    assert_eq!(uploaded, right);
    assert_eq!(app.objects(), [path]);
    let told = ModelRef::new(TenantSlug::parse("a").unwrap(), id.parse::<ModelId>().unwrap());
    assert_eq!(changes.try_recv().unwrap(), told);
    let shown = tenant.get(&format!("/models/{id}")).await.json;
    assert_eq!((&shown["status"], &shown["file_hash"]), (&json!("uploaded"), &json!(sha256_hex(MODEL))));
}

#[tokio::test]
async fn only_a_form_with_one_onnx_file_is_taken() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let id = register(&tenant, "net", "1.0.0").await;
    let path = format!("/models/{id}/upload");
    for name in [None, Some(""), Some("net.pt"), Some("net.onnx.zip"), Some(".onnx"), Some("onnx")] {
        tenant.post_form(&path, &[("file", name, MODEL)]).await.refuses(400, "malformed_request").naming("file");
    }
    tenant.post_form(&path, &[]).await.refuses(422, "invalid_field").naming("file");
    tenant.post_form(&path, &[("model", Some("a.onnx"), MODEL)]).await.refuses(422, "invalid_field").naming("model");
    let two = [("file", Some("a.onnx"), MODEL), ("file", Some("a.onnx"), MODEL)];
    tenant.post_form(&path, &two).await.refuses(422, "invalid_field").naming("file");
    tenant.send("POST", &path, Some("application/octet-stream"), MODEL).await.refuses(415, "unsupported_media_type");
    assert_eq!((app.objects(), status(&tenant, &id).await), (Vec::<String>::new(), json!("pending")));
    for (n, name) in ["../../x.ONNX", "..\\..\\x.Onnx", "/etc/passwd.onnx"].into_iter().enumerate() {
        let id = register(&tenant, "net", &format!("2.0.{n}")).await;
        tenant.post_form(&format!("/models/{id}/upload"), &[("file", Some(name), MODEL)]).await.is(200);
        assert!(app.objects().contains(&format!("models/a/registry/{id}.onnx")), "{name}");
    }
    assert_eq!(app.objects().len(), 3);
    let nobody = ModelId::generate();
    let unknown = upload(&tenant, &nobody.to_string(), MODEL).await.refuses(404, "not_found");
    assert_eq!(unknown.json["detail"], format!("Model with ID {nobody} not found"));
}

#[tokio::test]
async fn an_upload_that_fails_leaves_nothing() {
    let app = TestApp::with(|settings| settings.max_model_bytes = 1_000).await;
    let tenant = app.tenant("a").await;
    let id = register(&tenant, "net", "1.0.0").await;
    let path = format!("/models/{id}/upload");
    upload(&tenant, &id, &[MODEL, &[0; 1_000]].concat()).await.refuses(413, "too_large");
    let whole = form(&[("file", Some("a.onnx"), MODEL)]);
    let begin = whole[..whole.len() - 20].to_vec();
    let broken = stream::iter([Ok(begin)]).chain(stream::iter([Err(std::io::Error::other("reset"))]));
    tenant.send("POST", &path, KIND, Body::from_stream(broken)).await.refuses(400, "malformed_request");
    // The version goes while its file comes in.
    let (tenant2, path2, id2) = (tenant.clone(), path.clone(), id.clone());
    let slow = stream::once(async move {
        assert_eq!(tenant2.delete(&format!("/models/{id2}")).await.status, 204);
        Ok::<_, std::io::Error>(whole)
    });
    tenant.send("POST", &path2, KIND, Body::from_stream(slow)).await.refuses(404, "not_found");
    assert_eq!(app.objects(), Vec::<String>::new());
}

#[tokio::test]
async fn a_file_is_replaced_until_the_version_is_ready() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let id = register(&tenant, "net", "1.0.0").await;
    upload(&tenant, &id, UNKNOWN).await.is(200);
    upload(&tenant, &id, b"killer: x").await.is(200);
    assert_eq!(validate(&tenant, &id).await.is(200).json["valid"], false);
    upload(&tenant, &id, MODEL).await.is(200);
    assert_eq!(validate(&tenant, &id).await.is(200).json["valid"], true);
    let refused = upload(&tenant, &id, UNKNOWN).await.refuses(409, "wrong_state");
    assert!(refused.json["detail"].as_str().unwrap().contains("ready"));
    tenant.patch(&format!("/models/{id}"), json!({ "status": "archived" })).await.is(200);
    upload(&tenant, &id, UNKNOWN).await.refuses(409, "wrong_state");
    let path = ObjectPath::parse(&format!("models/a/registry/{id}.onnx")).unwrap();
    assert_eq!(app.wired.blobs.get(&path).await.unwrap(), MODEL);
    assert_eq!(app.objects().len(), 1);
}

#[tokio::test]
async fn a_good_file_makes_the_version_ready() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let id = register(&tenant, "net", "1.0.0").await;
    upload(&tenant, &id, MODEL).await.is(200);
    let verdict = validate(&tenant, &id).await.is(200).json;
    assert_eq!(
        (&verdict["valid"], &verdict["status"], &verdict["error_message"]),
        (&json!(true), &json!("ready"), &Value::Null)
    );
    let input = json!([{ "name": "x", "kind": "tensor", "dtype": "FP32", "shape": [null, 3] }]);
    let output = json!([{ "name": "x", "kind": "sequence", "dtype": "UNKNOWN", "shape": [] }]);
    assert_eq!((&verdict["input_schema"], &verdict["output_schema"]), (&input, &output));
    let metadata = &verdict["metadata"];
    assert_eq!((&metadata["opset_version"], &metadata["ir_version"]), (&json!(17), &json!(8)));
    assert_eq!((&metadata["producer_name"], &metadata["producer_version"]), (&json!("exporter"), &json!("2.1")));
    assert_eq!(
        (&metadata["providers"], &metadata["memory_bytes"]),
        (&json!(["CPUExecutionProvider"]), &json!(1_000_000))
    );
    let shown = tenant.get(&format!("/models/{id}")).await.is(200).json;
    assert_eq!((&shown["status"], &shown["input_schema"], &shown["metadata"]), (&json!("ready"), &input, metadata));
    assert!(app.ml.asked().contains(&"check None".to_owned()));
    validate(&tenant, &id).await.refuses(409, "wrong_state");
}

#[tokio::test]
async fn a_bad_file_is_an_answer_and_not_an_error() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let id = register(&tenant, "net", "1.0.0").await;
    validate(&tenant, &id).await.refuses(400, "malformed_request").naming("file");
    validate(&tenant, &ModelId::generate().to_string()).await.refuses(404, "not_found");
    for (bytes, reason) in [
        (UNKNOWN, "this is no ONNX file"),
        (b"killer: x", "the model crashed the process that tried it"),
        (b"", "this is no ONNX file"),
    ] {
        upload(&tenant, &id, bytes).await.is(200);
        let verdict = validate(&tenant, &id).await.is(200).json;
        assert_eq!((&verdict["valid"], &verdict["status"]), (&json!(false), &json!("error")));
        assert_eq!(verdict["error_message"], reason);
        let shown = tenant.get(&format!("/models/{id}")).await.json;
        assert_eq!((&shown["status"], &shown["error_message"]), (&json!("error"), &json!(reason)));
        assert_eq!(validate(&tenant, &id).await.is(200).json["valid"], false, "once more");
    }
}

#[tokio::test]
async fn a_service_that_is_away_leaves_the_version_as_it_was() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let id = register(&tenant, "net", "1.0.0").await;
    upload(&tenant, &id, b"busy: x").await.is(200);
    validate(&tenant, &id).await.refuses(503, "unavailable");
    assert_eq!(status(&tenant, &id).await, "uploaded");
    let path = ObjectPath::parse(&format!("models/a/registry/{id}.onnx")).unwrap();
    app.wired.blobs.put(&path, MODEL.into()).await.unwrap();
    let verdict = validate(&tenant, &id).await.is(200).json;
    assert_eq!(verdict["error_message"], "the stored file is not the one that was recorded; upload it again");
}

#[tokio::test]
async fn a_deleted_version_takes_its_file_along() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let (first, second) = (ready(&tenant, "net", "1.0.0").await, ready(&tenant, "net", "2.0.0").await);
    assert_eq!(tenant.delete(&format!("/models/{first}")).await.status, 204);
    assert_eq!(app.objects(), [format!("models/a/registry/{second}.onnx")]);
    assert_eq!(app.ml.asked().last().unwrap(), &format!("unload a/{first}"));
}
