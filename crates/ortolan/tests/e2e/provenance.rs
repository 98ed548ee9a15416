//! What made a result, from what: equal questions leave equal hashes, and whatever was changed is seen in them.

use std::collections::BTreeSet;

use ortolan_testkit::{Server, Tenant, fixtures};
use reqwest::Method;
use serde_json::Value;

use crate::{server, tenant_with_detector};

/// The hashes of a run's configuration and input.
type Hashes = (String, String);

/// Asks for a detection in these very words; gives the run and its hashes, after a look at every artifact.
async fn detect(server: &Server, tenant: &Tenant, media: &str, config: &str) -> (String, Hashes) {
    let body = format!(r#"{{"task_type": "object_detection", "media_id": "{media}", "config": {config}}}"#);
    let request = tenant.request(Method::POST, "/tasks").header("content-type", "application/json").body(body);
    let task = tenant.send(request).await.unwrap().expect(201).unwrap();
    let task = tenant.wait(task["task_id"].as_str().unwrap()).await.unwrap();
    assert_eq!(task["status"], "completed", "{task}");
    let artifacts = tenant.artifacts(task["task_id"].as_str().unwrap()).await.unwrap();
    let version = version(server).await;
    for artifact in &artifacts {
        assert_eq!(artifact["run_id"], task["run_id"]);
        assert_eq!((&artifact["producer"], &artifact["producer_version"]), (&Value::from("ortolan"), &version));
        assert_eq!(artifact["model_profile"], "balanced");
        assert!(is_hash(&artifact["model_sha256"]), "{artifact}");
    }
    let hashes: BTreeSet<Hashes> = artifacts.iter().map(hashes).collect();
    assert_eq!(hashes.len(), 1, "one run has one configuration and one input: {hashes:?}");
    (task["run_id"].as_str().unwrap().to_owned(), hashes.into_iter().next().unwrap())
}

/// The version that the server says it is.
async fn version(server: &Server) -> Value {
    let health = server.client().get(server.url("/health")).send().await.unwrap().json::<Value>().await.unwrap();
    assert!(health["version"].as_str().is_some_and(|version| !version.is_empty()), "{health}");
    health["version"].clone()
}

fn hashes(artifact: &Value) -> Hashes {
    let [config, input] = ["config_hash", "input_hash"].map(|name| &artifact[name]);
    assert!(is_hash(config) && is_hash(input), "{artifact}");
    (config.to_string(), input.to_string())
}

/// True for a SHA-256 in hexadecimal.
fn is_hash(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_questions_leave_equal_hashes_and_every_change_is_seen() {
    let server = server().await;
    let tenant = tenant_with_detector(&server, "acme").await;
    let picture = fixtures::read("images/shapes_v.bmp");
    let mut touched = picture.clone();
    // The last byte of this file is a colour of one point.
    *touched.last_mut().unwrap() ^= 1;
    let (first, second) =
        (tenant.media("first.bmp", picture.clone()).await.unwrap(), tenant.media("second.bmp", picture).await.unwrap());
    let touched = tenant.media("touched.bmp", touched).await.unwrap();

    let usual = r#"{"confidence_threshold": 0.25, "max_detections": 100}"#;
    let otherwise = r#"{ "max_detections":100,"confidence_threshold":2.5e-1}"#;
    let (run, (config, input)) = detect(&server, &tenant, &first, usual).await;
    let (same_run, same) = detect(&server, &tenant, &second, otherwise).await;
    assert_eq!(same, (config.clone(), input.clone()), "the same bytes and the same wishes in other words");
    let (touched_run, of_touched) = detect(&server, &tenant, &touched, usual).await;
    assert_eq!(of_touched.0, config);
    assert_ne!(of_touched.1, input, "one bit of the picture");
    let changed = r#"{"confidence_threshold": 0.25, "max_detections": 99}"#;
    let (changed_run, of_changed) = detect(&server, &tenant, &first, changed).await;
    assert_ne!(of_changed.0, config, "one number of the configuration");
    assert_eq!(of_changed.1, input);
    assert_eq!(BTreeSet::from([run, same_run, touched_run, changed_run]).len(), 4, "each run has an id of its own");
}
