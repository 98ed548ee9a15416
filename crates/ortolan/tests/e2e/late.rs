//! Models that pass the slot's trial and turn on their tenant later, on a white picture.

use ortolan_testkit::{Tenant, fixtures};
use serde_json::json;

use crate::{detects, leaks_nothing, server, tenant_with_detector};

async fn upload(tenant: &Tenant, model: &str) -> (String, String) {
    let model = fixtures::read(&format!("hostile/late/{model}.onnx"));
    tenant.put_slot("detect", model).await.unwrap().expect(200).unwrap();
    let white = tenant.media("white.png", fixtures::read("hostile/late/white.png")).await.unwrap();
    let grey = tenant.media("grey.png", fixtures::read("hostile/late/grey.png")).await.unwrap();
    (white, grey)
}

async fn detect(tenant: &Tenant, media: &str) -> String {
    tenant.submit("object_detection", Some(media), json!({})).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_crashes_costs_its_own_tries_and_nobody_elses() {
    let mut server = server().await;
    let (tenant, other) = (server.tenant("acme").await.unwrap(), tenant_with_detector(&server, "other").await);
    let (white, grey) = upload(&tenant, "crash_on_white").await;
    let task = detect(&tenant, &white).await;
    detects(&other).await;
    let ended = tenant.wait(&task).await.unwrap();
    assert_eq!((&ended["status"], &ended["attempt"]), (&json!("failed"), &json!(3)), "{ended}");
    assert_eq!(ended["error"]["code"], "crashed");
    assert!(ended["error"]["detail"].as_str().unwrap().starts_with("Max retries exceeded: "), "{ended}");
    leaks_nothing(&ended.to_string());
    let task = detect(&tenant, &grey).await;
    assert_eq!(tenant.wait(&task).await.unwrap()["status"], "completed");
    detects(&other).await;
    assert!(server.is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_never_ends_is_cancelled_and_its_permit_is_free() {
    let server = server().await;
    let tenant = server.tenant("acme").await.unwrap();
    let (white, grey) = upload(&tenant, "loop_on_white").await;
    // Both permits of the device.
    let stuck = [detect(&tenant, &white).await, detect(&tenant, &white).await];
    for task in &stuck {
        tenant.wait_for(task, &["running"]).await.unwrap();
    }
    for task in &stuck {
        tenant.post(&format!("/tasks/{task}/cancel"), json!({})).await.unwrap().expect(200).unwrap();
    }
    let task = detect(&tenant, &grey).await;
    assert_eq!(tenant.wait(&task).await.unwrap()["status"], "completed");
    for task in &stuck {
        assert_eq!(tenant.task(task).await.unwrap()["status"], "cancelled");
        assert!(tenant.artifacts(task).await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_ways_to_keep_tenants_apart_work_too() {
    for isolation in ["shared", "none"] {
        let options = crate::options().env("ORTOLAN_ML__ISOLATION", isolation);
        let server = ortolan_testkit::Server::start(options).await.unwrap();
        detects(&tenant_with_detector(&server, "a").await).await;
        detects(&tenant_with_detector(&server, "b").await).await;
    }
}

/// Variables with which no machine can start, and what the refusal names.
const IMPOSSIBLE: [(&[(&str, &str)], &str); 2] = [
    (&[("ORTOLAN_ML__MODEL_PRELOAD", "[\"nobody/detect\"]")], "model nobody/detect cannot be loaded"),
    // To a process that is told to see none, CUDA shows no GPU, whatever the machine has.
    (&[("REQUIRE_GPU", "true"), ("CUDA_VISIBLE_DEVICES", "-1")], NO_GPU),
];
/// What the program says when it has to use a GPU and cannot.
const NO_GPU: &str = "the device cuda is not available";

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_cannot_be_strict_does_not_happen() {
    for (variables, named) in IMPOSSIBLE {
        let options = variables.iter().fold(crate::options(), |options, (name, value)| options.env(name, value));
        let started = ortolan_testkit::Server::start(options).await;
        let error = started.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("the server ended with") && error.contains(named), "{variables:?}: {error}");
    }
    let lenient = crate::options()
        .env("ORTOLAN_ML__MODEL_PRELOAD", "[\"nobody/detect\"]")
        .env("ORTOLAN_ML__MODEL_INIT", "lenient");
    let server = ortolan_testkit::Server::start(lenient).await.unwrap();
    let health = server.client().get(server.url("/health")).send().await.unwrap().text().await.unwrap();
    assert!(health.contains("\"degraded\"") || health.contains("\"unhealthy\""), "{health}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gpu_that_is_required_is_used_or_the_start_says_that_there_is_none() {
    match ortolan_testkit::Server::start(crate::options().env("REQUIRE_GPU", "true")).await {
        Ok(server) => {
            let tenant = tenant_with_detector(&server, "acme").await;
            detects(&tenant).await;
            let cache = tenant.get("/model-cache").await.unwrap().expect(200).unwrap();
            assert_eq!((&cache["gpu_available"], &cache["models"][0]["device"]), (&json!(true), &json!("cuda:0")));
        }
        Err(error) => assert!(error.to_string().contains(NO_GPU), "{error}"),
    }
}
