//! A task's picture with what was found in it.

use ortolan_domain::artifact::ArtifactType;
use serde_json::json;

use crate::support::{Client, TestApp, artifact, ready_for_detection};

/// A detection task that waits, and its media object.
async fn submitted(tenant: &Client) -> (String, String) {
    let media = ready_for_detection(tenant).await;
    let wish = json!({ "task_type": "object_detection", "media_id": media });
    let task = tenant.post("/tasks", wish).await.is(201).json["task_id"].as_str().unwrap().to_owned();
    (task, media)
}

/// Runs the task to its end; it finds as many objects.
async fn complete(app: &TestApp, id: &str, objects: i32) {
    let task = app.wired.run(id).await;
    let found = |ordinal| {
        let payload = json!({ "label": format!("object {ordinal}"), "confidence": 0.5, "frame_number": 0,
            "bounding_box": { "x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0 } });
        artifact(&task, ordinal, ArtifactType::ObjectDetection, payload)
    };
    let counted = artifact(&task, objects, ArtifactType::PipelineResult, json!({ "no": "place in a picture" }));
    app.wired.complete_with(&task, (0..objects).map(found).chain([counted]).collect()).await;
}

fn annotated(id: &str) -> String {
    format!("/tasks/{id}/annotated")
}

#[tokio::test]
async fn a_completed_task_is_shown_in_its_picture() {
    let app = TestApp::new().await;
    let tenant = app.tenant("tenant-a").await;
    let (id, _) = submitted(&tenant).await;
    complete(&app, &id, 2).await;
    let shown = tenant.get(&annotated(&id)).await.is(200);
    assert_eq!(shown.bytes, &b"a picture with boxes"[..]);
    assert_eq!((shown.header("content-type"), shown.header("cache-control")), ("image/jpeg", "private, no-cache"));
    assert_eq!(shown.header("vary"), "accept");
    let asked = app.ml.asked().pop().unwrap();
    assert!(asked.contains("object 0") && asked.contains("object 1") && !asked.contains("no place"), "{asked}");
    assert!(asked.contains("format: Jpeg, longest_edge_px: None"), "{asked}");
}

#[tokio::test]
async fn format_and_size_are_the_clients() {
    let app = TestApp::new().await;
    let tenant = app.tenant("tenant-a").await;
    let (id, _) = submitted(&tenant).await;
    complete(&app, &id, 1).await;
    let png = tenant.with("accept", "image/png, image/*;q=0.5").get(&annotated(&id)).await.is(200);
    assert_eq!(png.header("content-type"), "image/png");
    let said = format!("{}?format=png&max_px=640", annotated(&id));
    let both = tenant.with("accept", "image/jpeg").get(&said).await.is(200);
    assert_eq!(both.header("content-type"), "image/png");
    assert!(app.ml.asked().pop().unwrap().contains("format: Png, longest_edge_px: Some(640)"));
    let neither = tenant.with("accept", "application/json").get(&annotated(&id)).await.is(200);
    assert_eq!(neither.header("content-type"), "image/jpeg");
    for (query, field) in [("format=gif", "format"), ("max_px=15", "max_px"), ("max_px=65501", "max_px"), ("a=b", "a")]
    {
        let refused = tenant.get(&format!("{}?{query}", annotated(&id))).await;
        refused.refuses(400, "malformed_request").naming(field);
    }
}

#[tokio::test]
async fn who_has_the_picture_does_not_get_it_again() {
    let app = TestApp::new().await;
    let tenant = app.tenant("tenant-a").await;
    let (id, _) = submitted(&tenant).await;
    complete(&app, &id, 1).await;
    let tag = tenant.get(&annotated(&id)).await.is(200).header("etag").to_owned();
    let asked = app.ml.asked().len();
    let again = tenant.with("if-none-match", &tag).get(&annotated(&id)).await.is(304);
    assert_eq!((again.header("etag"), again.bytes.len()), (tag.as_str(), 0));
    assert_eq!(app.ml.asked().len(), asked, "nothing was drawn");
    let other = tenant.with("if-none-match", &tag).get(&format!("{}?max_px=64", annotated(&id))).await.is(200);
    assert_ne!(other.header("etag"), tag);
}

#[tokio::test]
async fn what_has_no_annotated_picture_is_told_why() {
    let app = TestApp::new().await;
    let tenant = app.tenant("tenant-a").await;
    let (id, media) = submitted(&tenant).await;
    tenant.get(&annotated(&id)).await.refuses(409, "wrong_state");
    tenant.get(&annotated(&tenant.noop().await)).await.refuses(422, "invalid_field");
    complete(&app, &id, 1).await;
    app.tenant("tenant-b").await.get(&annotated(&id)).await.refuses(404, "not_found");
    tenant.send("DELETE", &format!("/media/{media}"), None, "").await.is(204);
    let gone = tenant.get(&annotated(&id)).await.refuses(404, "not_found");
    assert!(gone.json["detail"].as_str().unwrap().contains("was deleted"), "{}", gone.json);
}

#[tokio::test]
async fn a_refusal_of_the_decoder_reaches_the_client() {
    let app = TestApp::new().await;
    let tenant = app.tenant("tenant-a").await;
    ready_for_detection(&tenant).await;
    let heavy = tenant.upload(b"picture: heavy").await;
    let wish = json!({ "task_type": "object_detection", "media_id": heavy });
    let id = tenant.post("/tasks", wish).await.is(201).json["task_id"].as_str().unwrap().to_owned();
    complete(&app, &id, 1).await;
    tenant.get(&annotated(&id)).await.refuses(413, "too_large");
}

#[tokio::test]
async fn the_surest_findings_are_drawn_and_no_more_than_can_be_seen() {
    let app = TestApp::new().await;
    let tenant = app.tenant("tenant-a").await;
    let (id, _) = submitted(&tenant).await;
    complete(&app, &id, 3_005).await;
    tenant.get(&annotated(&id)).await.is(200);
    let asked = app.ml.asked().pop().unwrap();
    assert_eq!(asked.matches("bounding_box").count(), 3_000);
    assert!(asked.contains("object 2999") && !asked.contains("object 3000"));
}
