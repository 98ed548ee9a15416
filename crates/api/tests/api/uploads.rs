//! Uploads in pieces: whole in the store, or gone without a trace.

use std::time::Duration;

use axum::body::Body;
use futures::{StreamExt, stream};
use ortolan_blobs::ObjectPath;
use serde_json::json;

use crate::support::{BROKEN, Client, MODEL, PICTURE, TestApp, UNKNOWN, form};

async fn nothing_stays(app: &TestApp, tenant: &Client) {
    assert_eq!(app.objects(), Vec::<String>::new());
    assert_eq!(tenant.get("/media").await.is(200).json["total"], 0);
}

#[tokio::test]
async fn bytes_that_no_decoder_accepts_are_refused() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    for (bytes, status, code) in [
        (BROKEN, 422, "corrupt_media"),
        (UNKNOWN, 415, "unsupported_media_type"),
        (b"", 415, "unsupported_media_type"),
        (b"killer: x", 422, "corrupt_media"),
    ] {
        tenant.send("POST", "/media", Some("image/png"), bytes).await.refuses(status, code);
        tenant.post_form("/media", &[("file", Some("x.png"), bytes)]).await.refuses(status, code);
        nothing_stays(&app, &tenant).await;
    }
}

#[tokio::test]
async fn too_many_bytes_are_refused() {
    let app = TestApp::with(|settings| settings.max_media_bytes = 100_000).await;
    let tenant = app.tenant("a").await;
    let large = [PICTURE, &vec![b'x'; 100_000]].concat();
    tenant.send("POST", "/media", Some("image/png"), large.clone()).await.refuses(413, "too_large");
    tenant.post_form("/media", &[("file", Some("x.png"), &large)]).await.refuses(413, "too_large");
    let chunks = large.chunks(1_000).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect::<Vec<_>>();
    tenant
        .send("POST", "/media", Some("image/png"), Body::from_stream(stream::iter(chunks)))
        .await
        .refuses(413, "too_large");
    nothing_stays(&app, &tenant).await;
    assert!(!app.ml.asked().iter().any(|question| question.starts_with("probe")));
}

#[tokio::test]
async fn forms_that_are_none_are_refused() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let kind = Some("multipart/form-data; boundary=XX");
    let whole = form(&[("file", Some("x.png"), PICTURE)]);
    for cut in [0, 1, 10, 40, whole.len() - 10, whole.len() - 4] {
        let answer = tenant.send("POST", "/media", kind, whole[..cut].to_vec()).await;
        assert!(matches!(answer.status.as_u16(), 400 | 422), "{cut}: {answer:?}");
        nothing_stays(&app, &tenant).await;
    }
    tenant.send("POST", "/media", Some("multipart/form-data"), whole.clone()).await.refuses(400, "malformed_request");
    tenant
        .send("POST", "/media", Some("multipart/mixed; boundary=XX"), whole.clone())
        .await
        .refuses(400, "malformed_request");
    tenant.send("POST", "/media", Some("text/plain"), PICTURE).await.refuses(415, "unsupported_media_type");
    tenant.post_form("/media", &[]).await.refuses(422, "invalid_field").naming("file");
    tenant.post_form("/media", &[("picture", None, PICTURE)]).await.refuses(422, "invalid_field").naming("picture");
    let two = [("file", None, PICTURE), ("file", None, PICTURE)];
    tenant.post_form("/media", &two).await.refuses(422, "invalid_field").naming("file");
    nothing_stays(&app, &tenant).await;
}

#[tokio::test]
async fn a_client_that_breaks_off_leaves_nothing() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let broken = || {
        let begin = stream::iter([Ok(PICTURE.to_vec())]);
        Body::from_stream(begin.chain(stream::iter([Err(std::io::Error::other("reset"))])))
    };
    tenant.send("POST", "/media", Some("image/png"), broken()).await.refuses(400, "malformed_request");
    tenant
        .with("transfer-encoding", "chunked")
        .send("POST", "/media", Some("image/png"), broken())
        .await
        .refuses(400, "malformed_request");
    nothing_stays(&app, &tenant).await;
}

#[tokio::test]
async fn a_client_that_falls_silent_is_given_up() {
    let app = TestApp::with(|settings| settings.upload_idle_timeout = Duration::from_millis(50)).await;
    let tenant = app.tenant("a").await;
    let silent = || {
        let begin = stream::iter([Ok::<_, std::io::Error>(PICTURE.to_vec())]);
        Body::from_stream(begin.chain(stream::pending()))
    };
    tenant.send("POST", "/media", Some("image/png"), silent()).await.refuses(400, "malformed_request");
    let refused = tenant.send("PUT", "/slots/detect", Some("application/octet-stream"), silent()).await;
    refused.refuses(400, "malformed_request");
    nothing_stays(&app, &tenant).await;
}

#[tokio::test]
async fn headers_without_an_end_are_not_collected() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let begin = b"--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"".to_vec();
    let flood = stream::iter([begin]).chain(stream::repeat_with(|| vec![b'x'; 64 * 1024]).take(1_000));
    let body = Body::from_stream(flood.map(Ok::<_, std::io::Error>));
    let kind = Some("multipart/form-data; boundary=XX");
    let refused = tenant.send("POST", "/media", kind, body).await.refuses(400, "malformed_request");
    assert_eq!(refused.json["detail"], "a header in the multipart body is too long");
}

#[tokio::test]
async fn a_large_form_goes_through_piece_by_piece() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let large = [PICTURE, &vec![b'x'; 20 << 20]].concat();
    let chunks = form(&[("file", Some("x.png"), &large)]);
    let chunks = chunks.chunks(300_000).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect::<Vec<_>>();
    let kind = Some("multipart/form-data; boundary=XX");
    let made = tenant.send("POST", "/media", kind, Body::from_stream(stream::iter(chunks))).await.is(201).json;
    assert_eq!(made["size_bytes"], large.len());
    assert_eq!(made["sha256"], ortolan_domain::hash::sha256_hex(&large));
}

#[tokio::test]
async fn uploads_under_way_are_bounded() {
    let app = TestApp::with(|settings| settings.max_uploads = 0).await;
    let tenant = app.tenant("a").await;
    tenant.send("POST", "/media", Some("image/png"), PICTURE).await.refuses(503, "overloaded");
    tenant.put_bytes("/slots/detect", PICTURE).await.refuses(503, "overloaded");
}

#[tokio::test]
async fn the_same_key_and_bytes_give_the_same_object() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let keyed = tenant.with("idempotency-key", "k-1");
    let first = keyed.upload(PICTURE).await;
    assert_eq!(keyed.upload(PICTURE).await, first);
    let other = [PICTURE, b"!"].concat();
    keyed.send("POST", "/media", Some("image/png"), other).await.refuses(409, "idempotency_conflict");
    assert_eq!(app.objects(), [format!("a/media/{first}")]);
    assert_eq!(tenant.get("/media").await.json["total"], json!(1));
}

/// Larger objects travel to the store in parts of 8 MiB, of which the last is a short one.
#[tokio::test]
async fn a_model_of_several_parts_arrives_whole() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let model = [MODEL, &vec![7; 9 << 20]].concat();
    let pieces: Vec<_> = model.chunks(64 * 1024).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
    let body = Body::from_stream(stream::iter(pieces));
    let put = tenant.send("PUT", "/slots/detect", Some("application/octet-stream"), body).await.is(200).json;
    assert_eq!(put["sha256"], ortolan_domain::hash::sha256_hex(&model));
    let stored = app.wired.blobs.get(&ObjectPath::parse("models/a/detect.onnx").unwrap()).await.unwrap();
    assert!(stored == model);
}
