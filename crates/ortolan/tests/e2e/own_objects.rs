//! Pictures of pipelines that lie in the installation's bucket, and pictures that pipelines store there.

use ortolan_testkit::{Bucket, BucketKind, Server, Tenant, fixtures};
use serde_json::{Value, json};

use crate::{options, server, tenant_with_detector};

pub const ID: &str = "0199aaaa-0000-7000-8000-000000000001";

pub fn step(name: &str, kwargs: Value) -> Value {
    json!({"step": {"name": name, "kwargs": kwargs}})
}

fn upload(prefix: &str) -> Value {
    step("upload_image", json!({"dest_prefix": prefix, "thumbnail_sizes": [32, 64]}))
}

fn request(url: &str, chain: Value) -> Value {
    json!({
        "tenant_id": "acme", "session_id": ID, "image_id": ID, "image_url": url,
        "pipeline_definition": {"chain": chain}, "settings": {"confidence_threshold": 0.25},
    })
}

pub async fn process(tenant: &Tenant, url: &str, chain: Value, status: u16) -> Value {
    tenant.post("/tasks/process", request(url, chain)).await.unwrap().expect(status).unwrap()
}

/// Another tenant's object is refused, and its bucket is not even asked for it.
async fn in_a_bucket(kind: BucketKind, scheme: &str) {
    let bucket = Bucket::create(kind).await.unwrap();
    let options = bucket.variables().into_iter().fold(options(), |options, (name, value)| options.env(name, &value));
    let server = Server::start(options).await.unwrap();
    let tenant = tenant_with_detector(&server, "acme").await;
    let picture = fixtures::read("images/shapes_a.png");
    bucket.put("acme/in/1.png", picture.clone()).await.unwrap();
    bucket.put("other/in/1.png", picture).await.unwrap();
    let url = |path: &str| format!("{scheme}://{}/{path}", bucket.name());

    let chain = json!([step("detection", json!({})), upload("out")]);
    let found = process(&tenant, &url("acme/in/1.png"), chain.clone(), 200).await;
    assert!(!found["results"]["detections"].as_array().unwrap().is_empty(), "{found}");
    let stored = bucket.contents().await.unwrap();
    for path in [format!("acme/out/{ID}.jpg"), format!("acme/out_thumbnails/{ID}_32.jpg")] {
        assert!(stored.contains(&path), "{path}: {stored:?}");
    }
    assert!(!stored.iter().any(|path| path.contains("staging")), "something is left behind: {stored:?}");

    for foreign in [url("other/in/1.png"), format!("{scheme}://elsewhere/acme/in/1.png")] {
        let refused = process(&tenant, &foreign, chain.clone(), 422).await;
        assert_eq!(refused["errors"][0]["field"], "image_url");
    }
    for method in ["GET", "HEAD"] {
        assert_eq!(bucket.count(method, "other/in/1.png").await.unwrap(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_s3_bucket_gives_a_tenant_its_own_pictures_only() {
    in_a_bucket(BucketKind::S3, "s3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gcs_bucket_gives_a_tenant_its_own_pictures_only() {
    in_a_bucket(BucketKind::Gcs, "gs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_stored_under_their_names_when_the_answer_comes() {
    let server = server().await;
    let tenant = tenant_with_detector(&server, "acme").await;
    let media = tenant.media("a.png", fixtures::read("images/shapes_a.png")).await.unwrap();
    let url = format!("media://{media}");
    let result = process(&tenant, &url, json!([{"group": [upload("a/b"), upload("c")]}]), 200).await;
    let uploads = result["results"]["uploads"].as_array().unwrap();
    assert_eq!(uploads.len(), 6);
    let root = server.data().join("objects");
    for (name, edge) in [("a/b", None), ("c", None), ("c_thumbnails", Some(32)), ("a/b_thumbnails", Some(64))] {
        let file = edge.map_or_else(|| format!("{ID}.jpg"), |edge| format!("{ID}_{edge}.jpg"));
        let path = format!("acme/{name}/{file}");
        let told = uploads.iter().find(|upload| upload["path"] == path.as_str()).unwrap();
        let bytes = std::fs::read(root.join(&path)).unwrap();
        assert_eq!(told["size_bytes"], json!(bytes.len()));
        let (width, height) = image_size(&bytes);
        assert!(edge.is_none_or(|edge| width.max(height) == edge), "{path}: {width} x {height}");
    }
    let task = result["task_id"].as_str().unwrap();
    let told = tenant.get(&format!("/tasks/{task}/callbacks")).await.unwrap().expect(200).unwrap();
    assert_eq!((&told["items"][0]["kind"], &told["items"][0]["status"]), (&json!("pictures"), &json!("delivered")));
    assert_eq!(staged(&server, task), 0, "something is left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_fails_stores_nothing() {
    let server = server().await;
    let tenant = tenant_with_detector(&server, "acme").await;
    let media = tenant.media("a.png", fixtures::read("images/shapes_a.png")).await.unwrap();
    let chain = json!([upload("d"), step("detection", json!({"classes": ["unicorn"]}))]);
    process(&tenant, &format!("media://{media}"), chain, 422).await;
    assert!(!server.data().join("objects/acme/d").exists());
    let tasks = tenant.get("/tasks").await.unwrap().expect(200).unwrap();
    assert_eq!(staged(&server, tasks["tasks"][0]["task_id"].as_str().unwrap()), 0);
}

/// How many objects a task has put aside.
fn staged(server: &Server, task: &str) -> usize {
    let runs = std::fs::read_dir(server.data().join("objects/acme/staging").join(task)).into_iter().flatten();
    runs.flatten().map(|run| std::fs::read_dir(run.path()).map(Iterator::count).unwrap_or(0)).sum()
}

/// Width and height of a picture.
fn image_size(bytes: &[u8]) -> (u32, u32) {
    let picture = ortolan_media::decode_image(bytes, &ortolan_media::DecodeLimits::default()).unwrap();
    (picture.width(), picture.height())
}
