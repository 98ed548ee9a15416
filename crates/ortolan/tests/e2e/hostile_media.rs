//! Pictures that attack decoders are refused, or looked at without harm; nothing is left of those refused.

use std::path::Path;

use ortolan_testkit::{Tenant, fixtures};
use serde_json::json;

use crate::{detects, leaks_nothing, server, tenant_with_detector};

/// Files below a folder whose path has `part` in it.
fn files(folder: &Path, part: &str) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let count = |path: std::path::PathBuf| match path.is_dir() {
        true => files(&path, part),
        false => usize::from(path.to_string_lossy().contains(part)),
    };
    entries.flatten().map(|entry| count(entry.path())).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_pictures_do_no_harm() {
    let mut server = server().await;
    let tenant = tenant_with_detector(&server, "acme").await;
    let mut taken = 0;
    for file in fixtures::list("hostile/images") {
        let answer = tenant.upload(&file, fixtures::read(&format!("hostile/images/{file}"))).await.unwrap();
        leaks_nothing(&answer.body.to_string());
        match answer.status.as_u16() {
            201 => {
                taken += 1;
                look_at(&tenant, &file, answer.body["media_id"].as_str().unwrap()).await;
            }
            400 | 413 | 415 | 422 => {}
            _ => panic!("{file}: {answer:?}"),
        }
        assert_eq!(files(&server.data(), "/media/"), taken, "{file} left something behind");
    }
    assert!(server.is_alive());
    detects(&tenant).await;
}

async fn look_at(tenant: &Tenant, file: &str, media: &str) {
    let task = tenant.submit("object_detection", Some(media), json!({})).await.unwrap();
    let ended = tenant.wait(&task).await.unwrap();
    assert!(matches!(ended["status"].as_str(), Some("completed" | "failed")), "{file}: {ended}");
    leaks_nothing(&ended.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_are_told_by_their_headers_and_svg_is_not_taken() {
    let server = server().await;
    let tenant = server.tenant("acme").await.unwrap();
    for (file, statuses) in [
        ("bomb_60000.png", [413, 422]),
        ("header_65535.jpg", [413, 422]),
        ("canvas_65535.gif", [413, 422]),
        ("dims_huge.avif", [413, 422]),
        ("boxes_endless.avif", [422, 422]),
        ("truncated.avif", [422, 422]),
        ("script.svg", [415, 415]),
        ("svg_named.png", [415, 422]),
        ("empty.jpg", [400, 422]),
        ("truncated.png", [422, 422]),
    ] {
        let answer = tenant.upload(file, fixtures::read(&format!("hostile/images/{file}"))).await.unwrap();
        assert!(statuses.contains(&answer.status.as_u16()), "{file}: {answer:?}");
    }
}
