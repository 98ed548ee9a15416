//! Media and models in a bucket: the processes have no folder in common.

use std::collections::BTreeSet;

use ortolan_testkit::{Bucket, BucketKind, Cluster, fixtures};
use serde_json::json;

use crate::support::{PROGRAM, start_all};

/// The objects below `models/` that were asked for; what this test put there itself was not asked for.
async fn models_asked_for(bucket: &Bucket) -> BTreeSet<String> {
    let requests = bucket.requests().await.unwrap().into_iter();
    let asked = requests.filter(|request| request.method != "PUT" && request.path.starts_with("models/"));
    asked.map(|request| request.path).collect()
}

async fn without_a_shared_folder(kind: BucketKind, name: &str) {
    let bucket = Bucket::create(kind).await.unwrap();
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    for (name, value) in bucket.variables() {
        cluster.env(name, &value);
    }
    cluster.env("GPU_MODE", "gpu");
    let processes = start_all(&mut cluster, &["worker", "ml-service", "reconciler", "api"]).await;

    let model = format!("models/{name}/detect.onnx");
    // A file at the conventional path is a model, though nobody told the product of it.
    let tenant = cluster.operator().tenant(name).await.unwrap();
    let media = tenant.media("b.jpg", fixtures::read("images/shapes_b.jpg")).await.unwrap();
    let body = json!({"task_type": "object_detection", "media_id": media});
    let refused = tenant.post("/tasks", body).await.unwrap().expect(400).unwrap();
    assert_eq!(refused["detail"], format!("Model 'detect' not found for tenant '{name}'"));
    bucket.put(&model, fixtures::read("models/shapes_det_160.onnx")).await.unwrap();
    let config = json!({"confidence_threshold": 0.25});
    let submit = || tenant.submit("object_detection", Some(&media), config.clone());
    let tasks: Vec<_> = futures::future::join_all((0..20).map(|_| submit())).await;
    for task in tasks {
        let task = task.unwrap();
        let done = tenant.wait(&task).await.unwrap();
        assert_eq!(done["status"], "completed", "{done} {}", cluster.logs());
        assert_eq!(tenant.artifacts(&task).await.unwrap().len(), 10);
    }
    assert_eq!(bucket.count("GET", &model).await.unwrap(), 1, "{}", cluster.logs());
    // Nothing else is looked for, neither before the file was there nor after: no default, and no other tenant's.
    assert_eq!(models_asked_for(&bucket).await, BTreeSet::from([model]));

    // The slot's door: staged, checked, moved to the conventional path; the next task uses it.
    tenant.put_slot("classify", fixtures::read("models/shapes_cls_64.onnx")).await.unwrap().expect(200).unwrap();
    let task = tenant.submit("classification", Some(&media), json!({})).await.unwrap();
    let done = tenant.wait(&task).await.unwrap();
    assert_eq!(done["status"], "completed", "{done} {}", cluster.logs());
    let left = bucket.contents().await.unwrap();
    let places = [format!("models/{name}/"), format!("{name}/media/")];
    assert!(left.iter().all(|object| places.iter().any(|place| object.starts_with(place))), "{left:?}");

    for process in processes {
        assert!(cluster.stop(process).unwrap().success(), "{}", cluster.logs());
    }
    assert!(!cluster.data().join("objects").exists(), "objects lie in a folder");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_nothing_but_a_bucket_of_s3() {
    without_a_shared_folder(BucketKind::S3, "in-s3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_nothing_but_a_bucket_of_google() {
    without_a_shared_folder(BucketKind::Gcs, "in-gcs").await;
}
