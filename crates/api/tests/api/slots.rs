//! Slots and the model cache.

use ortolan_blobs::ObjectPath;
use ortolan_domain::model::ModelRef;
use ortolan_domain::{Slot, TenantSlug};
use serde_json::{Value, json};

use crate::support::{MODEL, TestApp, UNKNOWN};

#[tokio::test]
async fn a_model_goes_to_its_conventional_place_and_everyone_is_told() {
    let app = TestApp::new().await;
    let tenant = app.tenant("tenant-001").await;
    let mut changes = app.wired.signals.model_changes();
    let put = tenant.put_bytes("/slots/detect", MODEL).await.is(200).json;
    let right = json!({
        "slot": "detect", "sha256": ortolan_domain::hash::sha256_hex(MODEL), "size_bytes": MODEL.len(), "generation": 1,
        "updated_at": "2026-01-02T03:04:05Z",
    });
    assert_eq!(put, right);
    assert_eq!(app.objects(), ["models/tenant-001/detect.onnx", "models/tenant-001/kept/detect/1.onnx"]);
    assert!(app.ml.asked().ends_with(&["check Some(Detect)".to_owned(), "forget tenant-001/detect".to_owned()]));
    let told = ModelRef::new(TenantSlug::parse("tenant-001").unwrap(), Slot::Detect);
    assert_eq!(changes.try_recv().unwrap(), told);
    let again = tenant.put_bytes("/slots/detect", &[MODEL, b"0"].concat()).await.is(200).json;
    assert_eq!((&again["generation"], &again["size_bytes"]), (&json!(2), &json!(MODEL.len() + 1)));
}

#[tokio::test]
async fn a_refused_file_changes_nothing() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    tenant.put_bytes("/slots/detect", MODEL).await.is(200);
    let before = (app.objects(), tenant.get("/slots").await.json);
    for bad in [UNKNOWN, b"", b"killer: x"] {
        tenant.put_bytes("/slots/detect", bad).await.refuses(422, "invalid_model");
        tenant.put_bytes("/slots/segment", bad).await.refuses(422, "invalid_model");
        assert_eq!((app.objects(), tenant.get("/slots").await.json), before);
    }
    let content = app.wired.blobs.get(&ObjectPath::parse("models/a/detect.onnx").unwrap()).await.unwrap();
    assert_eq!(content, MODEL);
    let form = tenant.send("PUT", "/slots/detect", Some("multipart/form-data; boundary=XX"), MODEL).await;
    form.refuses(415, "unsupported_media_type");
    for bad in ["yolo", "Detect", "..%2fdetect", "detect.onnx"] {
        let refused =
            tenant.put_bytes(&format!("/slots/{bad}"), MODEL).await.refuses(422, "invalid_field").naming("type");
        assert!(refused.json["detail"].as_str().unwrap().contains("Invalid model_type: "));
    }
    assert_eq!((app.objects(), tenant.get("/slots").await.json), before);
}

#[tokio::test]
async fn a_model_that_is_too_large_leaves_nothing() {
    let app = TestApp::with(|settings| settings.max_model_bytes = 1_000).await;
    let tenant = app.tenant("a").await;
    tenant.put_bytes("/slots/detect", &[MODEL, &[0; 1_000]].concat()).await.refuses(413, "too_large");
    assert_eq!(app.objects(), Vec::<String>::new());
}

#[tokio::test]
async fn a_model_put_there_by_other_means_is_a_model() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    assert_eq!(tenant.get("/slots").await.is(200).json["items"], json!([]));
    let path = ObjectPath::parse("models/a/segment.onnx").unwrap();
    app.wired.blobs.put(&path, MODEL.into()).await.unwrap();
    let listed = tenant.get("/slots").await.is(200).json;
    let slot = &listed["items"][0];
    assert_eq!(
        (&slot["slot"], &slot["size_bytes"], &slot["sha256"]),
        (&json!("segment"), &json!(MODEL.len()), &Value::Null)
    );
    // What was recorded of an upload is not shown for what lies there after it.
    tenant.put_bytes("/slots/segment", MODEL).await.is(200);
    app.wired.blobs.put(&path, [MODEL, b"0"].concat().into()).await.unwrap();
    assert_eq!(tenant.get("/slots").await.json["items"][0]["sha256"], Value::Null);
}

#[tokio::test]
async fn an_emptied_slot_is_empty() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    tenant.put_bytes("/slots/classify", MODEL).await.is(200);
    assert_eq!(tenant.delete("/slots/classify").await.status, 204);
    assert_eq!(app.objects(), Vec::<String>::new());
    assert_eq!(app.ml.asked().last().unwrap(), "forget a/classify");
    tenant.delete("/slots/classify").await.refuses(404, "not_found");
    assert_eq!(tenant.get("/slots").await.json["total"], 0);
}

#[tokio::test]
async fn a_tenant_sees_and_clears_its_own_cache_and_an_operator_all() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let cache = tenant.get("/model-cache").await.is(200).json;
    for field in [
        "cached_models",
        "model_count",
        "local_model_dir",
        "gpu_available",
        "gpu_count",
        "gpu_memory_allocated",
        "gpu_memory_reserved",
    ] {
        assert!(cache.get(field).is_some(), "{field}");
    }
    assert_eq!(tenant.delete("/model-cache").await.is(200).json, json!({ "models_removed": 1 }));
    app.operator().get("/model-cache").await.is(200);
    app.operator().delete("/model-cache").await.is(200);
    app.operator().with("x-tenant-id", "a").delete("/model-cache").await.is(200);
    assert_eq!(
        app.ml.asked(),
        ["cache Some(\"a\")", "clear Some(\"a\")", "cache None", "clear None", "clear Some(\"a\")"]
    );
}
