//! Looking at tasks.

use std::time::Duration;

use ortolan_domain::Clock;
use ortolan_store::ProcessRecord;
use serde_json::{Value, json};

use crate::support::TestApp;

fn ids(list: &Value) -> Vec<&str> {
    list["tasks"].as_array().unwrap().iter().map(|task| task["task_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn tasks_are_listed_filtered_and_paged() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(tenant.noop().await);
        app.clock.advance(Duration::from_secs(1));
    }
    let [first, second, third] = &made[..] else { unreachable!() };
    let all = tenant.get("/tasks").await.is(200).json;
    assert_eq!(ids(&all), [third, second, first]);
    assert_eq!((&all["total"], &all["limit"], &all["offset"]), (&json!(3), &json!(10), &json!(0)));
    let page = tenant.get("/tasks?limit=1&offset=1&sort_by=created_at&sort_order=asc").await.is(200).json;
    assert_eq!((ids(&page), &page["total"]), (vec![second.as_str()], &json!(3)));

    app.wired.dispatch().await;
    let running = app.wired.claim(first).await;
    let status = async |word: &str| {
        let list = tenant.get(&format!("/tasks?status={word}")).await.is(200).json;
        ids(&list).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(status("RUNNING").await, [first.as_str()]);
    assert_eq!(status("pending").await, [third.clone(), second.clone()]);
    assert_eq!(status("queued,Running").await.len(), 3);
    assert_eq!(status("completed").await, Vec::<String>::new());
    app.wired.complete(&running).await;
    assert_eq!(status("completed").await, [first.as_str()]);
    assert_eq!(tenant.get("/tasks?task_type=noop").await.json["total"], 3);
    assert_eq!(tenant.get("/tasks?task_type=segmentation").await.json["total"], 0);
    let started = tenant.get("/tasks?sort_by=started_at").await.is(200).json;
    assert_eq!(ids(&started)[0], first);
    tenant.get("/tasks?sort_by=running_time&sort_order=asc").await.is(200);
}

#[tokio::test]
async fn a_task_shows_its_run() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let id = tenant.noop().await;
    let task = app.wired.run(&id).await;
    let path = format!("/tasks/{id}");
    let running = tenant.get(&path).await.is(200).json;
    assert_eq!(
        (&running["status"], &running["attempt"], &running["worker_id"]),
        (&json!("running"), &json!(1), &json!("worker-1"))
    );
    assert_eq!(running["queue_time_ms"], 1000.0);
    app.wired.complete(&task).await;
    let done = tenant.get(&path).await.is(200).json;
    assert_eq!((&done["status"], &done["inference_time_ms"]), (&json!("completed"), &json!(1.5)));
    assert_eq!(done["completed_at"], "2026-01-02T03:04:07Z");
    let artifacts = tenant.get(&format!("{path}/artifacts")).await.is(200).json;
    assert_eq!(artifacts, json!({ "items": [], "total": 0, "limit": 100, "offset": 0 }));
}

#[tokio::test]
async fn a_failed_task_says_why() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let id = tenant.noop().await;
    let task = app.wired.run(&id).await;
    app.wired.fail(&task).await;
    let failed = tenant.get(&format!("/tasks/{id}")).await.is(200).json;
    assert_eq!(failed["error"], json!({ "code": "run_failed", "detail": "the model failed" }));
}

#[tokio::test]
async fn a_client_can_wait_for_the_end() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let id = tenant.noop().await;
    let task = app.wired.run(&id).await;
    let path = format!("/tasks/{id}?wait=30");
    let waiting = tokio::spawn({
        let tenant = tenant.clone();
        async move { tenant.get(&path).await.is(200).json }
    });
    app.wired.complete(&task).await;
    assert_eq!(waiting.await.unwrap()["status"], "completed");
}

#[tokio::test]
async fn a_wait_ends_when_its_time_is_up() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let id = tenant.noop().await;
    assert_eq!(tenant.get(&format!("/tasks/{id}?wait=1")).await.is(200).json["status"], "pending");
    let preferred = tenant.with("prefer", "respond-async, wait=1");
    let made = preferred.post("/tasks", json!({ "task_type": "noop" })).await.is(201);
    assert_eq!((made.header("preference-applied"), &made.json["status"]), ("wait=1", &json!("pending")));
    let ignored = tenant.with("prefer", "wait=soon").post("/tasks", json!({ "task_type": "noop" })).await.is(201);
    assert_eq!(ignored.header("preference-applied"), "");
    let other = app.tenant("b").await;
    other.get(&format!("/tasks/{id}?wait=30")).await.refuses(404, "not_found");
}

#[tokio::test]
async fn a_stopping_service_keeps_nobody_waiting() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let id = tenant.noop().await;
    app.stop.cancel();
    assert_eq!(tenant.get(&format!("/tasks/{id}?wait=30")).await.is(200).json["status"], "pending");
}

#[tokio::test]
async fn places_for_waiting_clients_are_bounded() {
    let app = TestApp::with(|settings| settings.max_watchers = 0).await;
    let tenant = app.tenant("a").await;
    let id = tenant.noop().await;
    tenant.get(&format!("/tasks/{id}?wait=1")).await.refuses(503, "overloaded");
    tenant.get(&format!("/tasks/{id}/events")).await.refuses(503, "overloaded");
    tenant.get(&format!("/tasks/{id}")).await.is(200);
}

#[tokio::test]
async fn workers_health_counts_what_waits() {
    let app = TestApp::new().await;
    let tenant = app.tenant("a").await;
    let id = tenant.noop().await;
    tenant.noop().await;
    let cpu = async || {
        let health = app.nobody().get("//health/workers").await.is(200).json;
        let queue =
            health["queues"].as_array().unwrap().iter().find(|queue| queue["name"] == "cpu_jobs").unwrap().clone();
        [&queue["pending"], &queue["queued"], &queue["running"]].map(|n| n.as_u64().unwrap())
    };
    assert_eq!(cpu().await, [2, 0, 0]);
    app.wired.dispatch().await;
    assert_eq!(cpu().await, [0, 2, 0]);
    app.wired.claim(&id).await;
    assert_eq!(cpu().await, [0, 1, 1]);
}

#[tokio::test]
async fn workers_health_lists_the_workers_that_were_heard_of_lately() {
    let app = TestApp::new().await;
    let health = app.nobody().get("//health/workers").await.is(200).json;
    assert_eq!((&health["status"], &health["broker_connected"]), (&json!("no_workers"), &json!(true)));
    let now = app.clock.now();
    let record = |id: &str, service: &str, seen_at| ProcessRecord {
        id: id.to_owned(),
        service: service.to_owned(),
        host: "h".to_owned(),
        queues: "gpu_jobs,cpu_jobs".to_owned(),
        running: 3,
        started_at: now,
        seen_at,
    };
    let lately = [record("here", "worker", now), record("r", "reconciler", now)];
    let long_ago = record("gone", "worker", now.minus(Duration::from_secs(60)));
    for process in lately.iter().chain([&long_ago]) {
        app.wired.stores.processes.report_process(process).await.unwrap();
    }
    let health = app.nobody().get("//health/workers").await.is(200).json;
    let workers = health["workers"].as_object().unwrap();
    assert_eq!((&health["status"], workers.len()), (&json!("connected"), 1), "{health}");
    assert_eq!(workers["here"]["queues"], json!(["gpu_jobs", "cpu_jobs"]));
    assert_eq!(workers["here"]["running"], 3);
}
