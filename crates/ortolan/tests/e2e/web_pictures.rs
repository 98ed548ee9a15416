//! Pictures of pipelines on the web: fetched over TLS where that is allowed, and from nowhere private.

use ortolan_testkit::{Page, Server, ServerOptions, Tenant, Web, fixtures};
use serde_json::{Value, json};

use crate::{options, tenant_with_detector};

const ID: &str = "0199aaaa-0000-7000-8000-000000000001";
const MAX_BYTES: usize = 1 << 20;

/// A server that fetches pictures and trusts a web server.
fn fetching(web: &Web) -> ServerOptions {
    let certificate = web.certificate().to_str().unwrap();
    let options = options().env("SSL_CERT_FILE", certificate).env("ORTOLAN_OUTBOUND__FETCH_PICTURES", "true");
    options.env("ORTOLAN_SERVER__MAX_MEDIA_BYTES", &MAX_BYTES.to_string())
}

async fn process(tenant: &Tenant, url: &str) -> (u16, Value) {
    let body = json!({
        "tenant_id": "acme", "session_id": ID, "image_id": ID, "image_url": url,
        "pipeline_definition": {"chain": [{"step": {"name": "detection"}}]}, "settings": {"confidence_threshold": 0.25},
    });
    let answer = tenant.post("/tasks/process", body).await.unwrap();
    (answer.status.as_u16(), answer.body)
}

async fn media_count(tenant: &Tenant) -> u64 {
    tenant.get("/media").await.unwrap().expect(200).unwrap()["total"].as_u64().unwrap()
}

async fn web() -> Web {
    let pages = [
        ("/a.png", Page::Bytes(fixtures::read("images/shapes_a.png"))),
        ("/moved", Page::Redirect("/a.png".to_owned())),
        ("/inside", Page::Redirect("https://127.0.0.2/a.png".to_owned())),
        ("/plain", Page::Redirect("http://127.0.0.1:1/a.png".to_owned())),
        ("/script", Page::Bytes(b"#!/bin/sh".to_vec())),
        ("/zeros", Page::Zeros(4 * MAX_BYTES)),
    ];
    Web::serving(pages.into()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_on_the_web_becomes_the_tenants_and_is_looked_at() {
    let web = web().await;
    let server = Server::start(fetching(&web).env("ORTOLAN_OUTBOUND__ALLOWED_NETWORKS", "127.0.0.1")).await.unwrap();
    let tenant = tenant_with_detector(&server, "acme").await;
    for path in ["/a.png", "/moved"] {
        let (status, found) = process(&tenant, &web.url(path)).await;
        assert_eq!(status, 200, "{found}");
        assert!(!found["results"]["detections"].as_array().unwrap().is_empty(), "{found}");
    }
    assert_eq!(media_count(&tenant).await, 2);
    for (path, status, part) in [
        ("/inside", 422, "private network"),
        ("/plain", 422, "redirects"),
        ("/none", 422, "status 404"),
        ("/script", 415, ""),
        ("/zeros", 413, ""),
    ] {
        let (answered, refused) = process(&tenant, &web.url(path)).await;
        assert_eq!(answered, status, "{path}: {refused}");
        assert!(refused["detail"].as_str().unwrap().contains(part), "{path}: {refused}");
    }
    assert_eq!(media_count(&tenant).await, 2, "what was refused left something behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_is_refused_and_so_is_a_stranger_without_a_good_certificate() {
    let web = web().await;
    let server = Server::start(fetching(&web)).await.unwrap();
    let tenant = tenant_with_detector(&server, "acme").await;
    for url in [web.url("/a.png"), "https://localhost/a.png".to_owned(), "https://[::1]/a.png".to_owned()] {
        let (status, refused) = process(&tenant, &url).await;
        assert_eq!((status, &refused["errors"][0]["field"]), (422, &json!("image_url")));
        assert!(refused["detail"].as_str().unwrap().contains("private network"), "{url}: {refused}");
    }
    let other = self::web().await;
    let server = Server::start(fetching(&other).env("ORTOLAN_OUTBOUND__ALLOWED_NETWORKS", "127.0.0.1")).await.unwrap();
    let tenant = tenant_with_detector(&server, "acme").await;
    let (status, refused) = process(&tenant, &web.url("/a.png")).await;
    assert_eq!(status, 422, "{refused}");
    assert_eq!(media_count(&tenant).await, 0);
}
