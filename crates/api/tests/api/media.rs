//! Media objects.

use serde_json::json;

use crate::support::{AUDIO, PICTURE, TestApp};

#[tokio::test]
async fn an_uploaded_picture_is_described() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let made = tenant.post_form("/media", &[("file", Some("../../x/ü pic.png"), PICTURE)]).await.is(201);
    let id = made.json["media_id"].as_str().unwrap();
    assert_eq!(made.header("location"), format!("/api/v1/media/{id}"));
    let right = json!({
        "media_id": id, "kind": "image", "content_type": "image/png", "file_name": "ü pic.png", "size_bytes": PICTURE.len(),
        "sha256": ortolan_domain::hash::sha256_hex(PICTURE), "width": 8, "height": 8, "duration_ms": null,
        "created_at": "2026-01-02T03:04:05Z",
    });
    assert_eq!(made.json, right);
    assert_eq!(tenant.get(&format!("/media/{id}")).await.is(200).json, right);
    let list = tenant.get("/media?page_size=5").await.is(200).json;
    assert_eq!(list, json!({ "items": [right], "total": 1, "page": 1, "page_size": 5, "total_pages": 1 }));
    assert_eq!(app.objects(), [format!("a/media/{id}")]);
}

#[tokio::test]
async fn the_kind_is_decided_by_the_content() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let made = tenant.send("POST", "/media", Some("image/jpeg"), AUDIO).await.is(201).json;
    assert_eq!((&made["kind"], &made["duration_ms"], &made["width"]), (&json!("audio"), &json!(1000), &json!(null)));
}

#[tokio::test]
async fn pages_are_counted() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    for _ in 0..5 {
        tenant.upload(PICTURE).await;
    }
    let page = tenant.get("/media?page=2&page_size=2").await.is(200).json;
    assert_eq!(
        (page["items"].as_array().unwrap().len(), &page["total"], &page["total_pages"]),
        (2, &json!(5), &json!(3))
    );
    let past = tenant.get("/media?page=4000000000&page_size=100").await.is(200).json;
    assert_eq!((&past["items"], &past["total"]), (&json!([]), &json!(5)));
}

#[tokio::test]
async fn bytes_are_read_whole_or_in_part() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let made = tenant.post_form("/media", &[("file", Some("x\"y.png"), PICTURE)]).await.is(201).json;
    let path = format!("/media/{}/content", made["media_id"].as_str().unwrap());
    let whole = tenant.get(&path).await.is(200);
    assert_eq!(whole.bytes, PICTURE);
    assert_eq!(whole.header("content-type"), "image/png");
    assert_eq!(whole.header("accept-ranges"), "bytes");
    assert_eq!(whole.header("x-content-type-options"), "nosniff");
    assert!(whole.header("content-security-policy").contains("sandbox"));
    assert!(whole.header("content-disposition").starts_with("inline; filename=\""));
    let size = PICTURE.len();
    for (range, from, to) in
        [("bytes=0-6", 0, 7), ("bytes=9-", 9, size), ("bytes=-4", size - 4, size), ("bytes=3-999", 3, size)]
    {
        let part = tenant.with("range", range).get(&path).await;
        assert_eq!(part.status, 206, "{range}");
        assert_eq!(part.bytes, PICTURE[from..to], "{range}");
        assert_eq!(part.header("content-range"), format!("bytes {from}-{}/{size}", to - 1));
    }
    let past = tenant.with("range", "bytes=9999-").get(&path).await.is(416);
    assert_eq!(past.header("content-range"), format!("bytes */{size}"));
    let tag = whole.header("etag").to_owned();
    assert_eq!(tenant.with("if-none-match", &tag).get(&path).await.status, 304);
    let stale = tenant.with("range", "bytes=0-1").with("if-range", "\"other\"").get(&path).await;
    assert_eq!((stale.status.as_u16(), stale.bytes.len()), (200, size));
    let fresh = tenant.with("range", "bytes=0-1").with("if-range", &tag).get(&path).await;
    assert_eq!((fresh.status.as_u16(), &fresh.bytes[..]), (206, &PICTURE[..2]));
    let head = tenant.send("HEAD", &path, None, "").await;
    assert_eq!((head.status.as_u16(), head.header("content-length"), head.bytes.len()), (200, &*size.to_string(), 0));
}

#[tokio::test]
async fn a_deleted_object_is_gone_with_its_bytes() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let id = tenant.upload(PICTURE).await;
    let path = format!("/media/{id}");
    let task = tenant.post("/tasks", json!({ "task_type": "noop", "media_id": id })).await.is(201).json;
    assert_eq!(tenant.delete(&path).await.status, 204);
    assert_eq!(app.objects(), Vec::<String>::new());
    tenant.get(&path).await.refuses(404, "not_found");
    tenant.get(&format!("{path}/content")).await.refuses(404, "not_found");
    tenant.delete(&path).await.refuses(404, "not_found");
    // The task still knows what it was to look at.
    let still = tenant.get(&format!("/tasks/{}", task["task_id"].as_str().unwrap())).await.is(200).json;
    assert_eq!(still["media_id"], json!(id));
}
