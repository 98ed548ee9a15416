//! Results on their way to a worker: how long they are kept, and that one bad item among good ones spoils them all.

use ortolan_testkit::{Cluster, fixtures, query};
use serde_json::{Value, json};

use crate::support::{PROGRAM, completes, start_all, tenant_with_model, under_way, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_nobody_fetches_ends_within_half_an_hour_and_its_mark_within_a_day() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    // Longer than its worker stands still.
    cluster.env("ORTOLAN_WORKER__LEASE_S", "60");
    let processes = start_all(&mut cluster, &["api", "worker", "ml-service"]).await;
    let tenant = cluster.operator().tenant("acme").await.unwrap();
    let task = under_way(&cluster, &tenant, 3_000).await;
    cluster.signal(processes[1], "STOP", false).unwrap();
    let (result, mark) = (format!("ml_result:{task}:1"), format!("ml_done:{task}:1"));
    let exists = |key: &str| cluster.redis().command(&["EXISTS", key]).unwrap() == "1";
    until("the result is there", async || exists(&result)).await;
    for (key, longest_s) in [(&result, 1_800), (&mark, 86_400)] {
        // -1 would be for ever, and -2 no key.
        let left_s: i64 = cluster.redis().command(&["TTL", key]).unwrap().parse().unwrap();
        assert!((1..=longest_s).contains(&left_s), "{key}: {left_s} s");
    }
    cluster.signal(processes[1], "CONT", false).unwrap();
    completes(&tenant, &task, &cluster).await;
    until("it is gone, as it was used", async || !exists(&result)).await;
    assert!(exists(&mark));
}

/// A detection as an ML service answers it.
fn item(confidence: f64) -> Value {
    let payload = json!({
        "label": "circle", "class_id": 0, "confidence": confidence, "frame_number": 0,
        "bounding_box": {"x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0},
    });
    json!({"artifact_type": "object.detection", "span_start_ms": 0, "span_end_ms": 0, "payload": payload})
}

/// The result of a running task's own run with these items.
fn result(cluster: &Cluster, running: &Value, items: &[Value]) -> Value {
    let task = running["task_id"].as_str().unwrap();
    let hash = query(cluster.database_url(), &format!("SELECT config_hash FROM tasks WHERE id = '{task}'")).unwrap();
    json!({
        "task_id": task,
        "attempt": running["attempt"],
        "provenance": {
            "run_id": running["run_id"], "config_hash": hash[0][0], "input_hash": "i", "producer": "somebody",
            "producer_version": "1", "model_profile": "balanced", "model_sha256": null,
        },
        "timings": {"wait_ms": 0.0, "decode_ms": 0.0, "prepare_ms": 0.0, "inference_ms": 0.0, "interpret_ms": 0.0},
        "outcome": {"items": items},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_item_among_good_ones_fails_the_task_and_nothing_of_the_result_is_stored() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    let processes = start_all(&mut cluster, &["api", "worker", "ml-service"]).await;
    let tenant = tenant_with_model(&cluster).await;
    let media = tenant.media("picture", fixtures::read("images/shapes_b.jpg")).await.unwrap();
    // From now on the test answers in its place.
    assert!(cluster.stop(processes[2]).unwrap().success(), "{}", cluster.logs());
    for (second, stored) in [(0.8, 3), (1.8, 0)] {
        let task = tenant.submit("object_detection", Some(&media), json!({})).await.unwrap();
        let running = tenant.wait_for(&task, &["running"]).await.unwrap();
        let result = result(&cluster, &running, &[item(0.9), item(second), item(0.7)]).to_string();
        let key = format!("ml_result:{task}:{}", running["attempt"]);
        cluster.redis().command(&["SET", &key, &result]).unwrap();
        let ended = tenant.wait(&task).await.unwrap();
        match stored {
            0 => {
                assert_eq!((&ended["status"], &ended["error"]["code"]), (&json!("failed"), &json!("invalid_result")));
                assert!(ended["error"]["detail"].as_str().unwrap().starts_with("item 1: confidence"), "{ended}");
            }
            _ => assert_eq!(ended["status"], "completed", "{ended} {}", cluster.logs()),
        }
        assert_eq!(tenant.artifacts(&task).await.unwrap().len(), stored, "{ended}");
        let rows = format!("SELECT COUNT(*) FROM artifacts WHERE task_id = '{task}'");
        assert_eq!(query(cluster.database_url(), &rows).unwrap()[0][0], stored.to_string());
        until("the result is gone", async || cluster.redis().command(&["EXISTS", &key]).unwrap() == "0").await;
    }
}
