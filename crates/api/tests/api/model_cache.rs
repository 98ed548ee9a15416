//! What is kept of the registry's answers, and when it is dropped.

use std::time::Duration;

use serde_json::json;

use crate::models::{ready, register, upload};
use crate::support::{Client, TestApp};

async fn looks(client: &Client, path: &str) -> String {
    let answer = client.get(path).await.is(200);
    assert!(matches!(answer.header("cache-control"), "max-age=300" | "max-age=60"), "{path}");
    answer.header("x-cache").to_owned()
}

#[tokio::test]
async fn the_second_look_is_a_hit_until_something_changes() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let id = register(&tenant, "net", "1.0.0").await;
    let path = format!("/models/{id}");
    let paths = [&path, "/models/by-name/net/versions", "/models/by-name/net/latest", "/models", "/models?name=net"];
    let all = async |word: &str| {
        for path in paths {
            assert_eq!(looks(&tenant, path).await, word, "{path}");
        }
    };
    all("MISS").await;
    all("HIT").await;
    tenant.patch(&path, json!({ "description": "new" })).await.is(200);
    all("MISS").await;
    assert_eq!(tenant.get(&path).await.json["description"], "new");
    upload(&tenant, &id, crate::support::MODEL).await.is(200);
    all("MISS").await;
    tenant.send("POST", &format!("{path}/validate"), None, "").await.is(200);
    all("MISS").await;
    assert_eq!(tenant.get(&path).await.json["status"], "ready");
    register(&tenant, "net", "2.0.0").await;
    assert_eq!(looks(&tenant, "/models/by-name/net/latest").await, "MISS");
    assert_eq!(tenant.get("/models/by-name/net/latest").await.json["version"], "2.0.0");
    assert_eq!(looks(&tenant, &path).await, "HIT", "another version is no reason");
}

#[tokio::test]
async fn a_rename_drops_the_old_name_and_the_new() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let id = ready(&tenant, "old", "1.0.0").await;
    ready(&tenant, "new", "0.1.0").await;
    for name in ["old", "new"] {
        looks(&tenant, &format!("/models/by-name/{name}/latest?ready_only=true")).await;
    }
    tenant.patch(&format!("/models/{id}"), json!({ "name": "new" })).await.is(200);
    tenant.get("/models/by-name/old/latest?ready_only=true").await.refuses(404, "not_found");
    assert_eq!(tenant.get("/models/by-name/new/latest?ready_only=true").await.json["version"], "1.0.0");
    tenant.delete(&format!("/models/{id}")).await;
    assert_eq!(tenant.get("/models/by-name/new/latest?ready_only=true").await.json["version"], "0.1.0");
}

#[tokio::test]
async fn values_expire_and_tenants_do_not_meet() {
    let app = TestApp::with(|settings| settings.model_cache_ttl = Duration::from_secs(300)).await;
    let (tenant, other) = (app.tenant("a").await, app.tenant("b").await);
    let path = format!("/models/{}", register(&tenant, "net", "1.0.0").await);
    assert_eq!(looks(&tenant, &path).await, "MISS");
    assert_eq!(looks(&tenant.at(app.beside()), &path).await, "HIT", "in another process");
    other.get(&path).await.refuses(404, "not_found");
    other.get("/models/by-name/net/versions").await.refuses(404, "not_found");
    looks(&tenant, "/models").await;
    assert_eq!(looks(&other, "/models").await, "MISS");
    app.clock.advance(Duration::from_secs(61));
    assert_eq!((looks(&tenant, "/models").await, looks(&tenant, &path).await), ("MISS".to_owned(), "HIT".to_owned()));
    app.clock.advance(Duration::from_secs(240));
    assert_eq!(looks(&tenant, &path).await, "MISS");
}
