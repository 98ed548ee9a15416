//! When the file behind a model is fetched from the bucket, and when the copy that was kept of it is enough.

use std::process::Command;
use std::time::Duration;

use ortolan_testkit::{Bucket, BucketKind, Server, Tenant, fixtures};
use reqwest::Method;
use serde_json::{Value, json};

use crate::crashes::runners;
use crate::main_job::run;
use crate::options;

const DETECT: &str = "models/acme/detect.onnx";
const CLASSIFY: &str = "models/acme/classify.onnx";

/// An installation that was told nothing of the models in its bucket.
struct World {
    bucket: Bucket,
    server: Server,
    tenant: Tenant,
}

impl World {
    async fn with(more: &[(&str, &str)]) -> Self {
        let bucket = Bucket::create(BucketKind::S3).await.unwrap();
        for (path, file) in [(DETECT, "models/shapes_det_160.onnx"), (CLASSIFY, "models/shapes_cls_64.onnx")] {
            bucket.put(path, fixtures::read(file)).await.unwrap();
        }
        let in_bucket =
            bucket.variables().into_iter().fold(options(), |options, (name, value)| options.env(name, &value));
        let options = more.iter().fold(in_bucket, |options, (name, value)| options.env(name, value));
        let server = Server::start(options).await.unwrap();
        let tenant = server.tenant("acme").await.unwrap();
        Self { bucket, server, tenant }
    }

    /// Runs a task over a picture; gives one of its artifacts.
    async fn look(&self, task_type: &str) -> Value {
        let (_, found) = run(&self.tenant, task_type, "shapes_a.png", json!({"confidence_threshold": 0.25})).await;
        found[0].clone()
    }

    /// What is loaded.
    async fn cache(&self) -> Value {
        self.tenant.get("/model-cache").await.unwrap().expect(200).unwrap()
    }

    /// Waits until nothing is loaded any more.
    async fn is_emptied(&self) {
        for _ in 0..3_000 {
            if self.cache().await["model_count"] == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("something stays loaded: {}", self.cache().await);
    }

    /// How often a model's file was fetched. A look at its object is none: a submission asks whether it is there.
    async fn fetches(&self, path: &str) -> usize {
        self.bucket.count("GET", path).await.unwrap()
    }

    /// The names of the copies that the ML service has in its private folder.
    fn copies(&self) -> Vec<String> {
        let folders = std::fs::read_dir(self.server.data().join("models")).unwrap().flatten();
        let mut folders = folders.filter(|entry| entry.file_name().to_string_lossy().starts_with("mlworker_models_"));
        let files = std::fs::read_dir(folders.next().unwrap().path()).unwrap().flatten();
        let names = files.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut copies: Vec<_> = names.filter(|name| name.ends_with(".onnx")).collect();
        copies.sort();
        assert!(folders.next().is_none(), "one process has one folder");
        copies
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_fetched_before_the_first_call_and_nothing_for_the_second() {
    let world = World::with(&[]).await;
    assert_eq!(world.cache().await["model_count"], 0);
    assert_eq!((world.fetches(DETECT).await, world.copies()), (0, vec![]));
    for call in ["first", "second"] {
        world.look("object_detection").await;
        let cache = world.cache().await;
        assert_eq!(cache["model_count"], 1, "after the {call} call: {cache}");
        assert_eq!(cache["cached_models"], json!(["acme_detect_worker_0"]));
        assert_eq!(world.fetches(DETECT).await, 1, "after the {call} call");
    }
    assert_eq!(world.copies(), ["acme_detect.onnx"]);
    assert_eq!(world.fetches(CLASSIFY).await, 0, "nobody asked for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_made_room_for_another_is_loaded_again_from_its_copy() {
    let world = World::with(&[("MODEL_CACHE_MAX_MODELS", "1")]).await;
    let calls = [("object_detection", "detect"), ("classification", "classify"), ("object_detection", "detect")];
    for (evictions, (task_type, slot)) in calls.into_iter().enumerate() {
        world.look(task_type).await;
        let cache = world.cache().await;
        assert_eq!(cache["cached_models"], json!([format!("acme_{slot}_worker_0")]), "{cache}");
        assert_eq!(cache["evictions"], json!(evictions), "{cache}");
    }
    assert_eq!((world.fetches(DETECT).await, world.fetches(CLASSIFY).await), (1, 1));
    assert_eq!(world.copies(), ["acme_classify.onnx", "acme_detect.onnx"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_whose_process_died_is_loaded_again_from_its_copy() {
    let world = World::with(&[]).await;
    world.look("object_detection").await;
    let before = world.cache().await["models"][0]["loaded_at"].clone();
    for runner in runners(&world.server) {
        Command::new("kill").args(["-KILL", &runner.to_string()]).status().unwrap();
    }
    // A call that came before the service has noticed would only fail and be tried again.
    world.is_emptied().await;
    world.look("object_detection").await;
    let after = world.cache().await["models"][0]["loaded_at"].clone();
    assert!(after.is_string() && after != before, "it was loaded again: {before}, {after}");
    assert_eq!(world.fetches(DETECT).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn clearing_leaves_nothing_loaded_and_makes_what_lies_in_the_bucket_count() {
    let world = World::with(&[]).await;
    assert_eq!(world.look("object_detection").await["artifact_type"], "object.detection");
    // Past the product: a copy stays what it was until somebody clears it away.
    let other = fixtures::read("models/layouts/layout_pose3_160.onnx");
    world.bucket.put(DETECT, other).await.unwrap();
    assert_eq!(world.look("object_detection").await["artifact_type"], "object.detection");
    assert_eq!(world.fetches(DETECT).await, 1);

    let clearing = world.tenant.request(Method::DELETE, "/model-cache");
    let cleared = world.tenant.send(clearing).await.unwrap().expect(200).unwrap();
    assert_eq!(cleared["models_removed"], 1);
    let cache = world.cache().await;
    assert_eq!((&cache["model_count"], &cache["cached_models"]), (&json!(0), &json!([])));
    assert!(world.server.log().contains("models_removed=1"), "{}", world.server.log());

    assert_eq!(world.look("object_detection").await["artifact_type"], "object.pose");
    assert_eq!(world.cache().await["cached_models"], json!(["acme_detect_worker_0"]));
    assert_eq!(world.fetches(DETECT).await, 2, "once for each time that there was no copy");
}
