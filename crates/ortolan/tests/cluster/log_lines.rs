//! The lines by which an operator follows a task through the logs: that it was queued, run, and how that ended; and what the
//! reconciler repaired.

use ortolan_testkit::Cluster;
use serde_json::{Value, json};

use crate::support::{PROGRAM, completes, detect, noop, start_all, tenant_with_model, until};

const SERVICES: [&str; 4] = ["api", "ml-service", "worker", "reconciler"];
/// Who moves tasks into queues.
const DISPATCHERS: [&str; 2] = ["api", "reconciler"];

/// The lines of these services with this message.
fn lines(cluster: &Cluster, services: &[&str], message: &str) -> Vec<Value> {
    let logs: String = services.iter().map(|service| cluster.log(service)).collect();
    let lines = logs.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"] == message).collect()
}

/// The first of them that is about this task; a line may be written a moment after what it tells of.
async fn line_about(cluster: &Cluster, services: &[&str], message: &str, task: &str) -> Value {
    let found = || lines(cluster, services, message).into_iter().find(|line| line["task_id"] == task);
    until(&format!("{message:?} is said of {task}"), async || found().is_some()).await;
    found().unwrap()
}

/// When, how grave, from where, and whose task it is about.
fn tells_what_all_tell(line: &Value) {
    for field in ["timestamp", "level", "target"] {
        assert!(line[field].is_string(), "{field}: {line}");
    }
    assert_eq!(line["tenant_id"], "acme", "{line}");
}

async fn world() -> (Cluster, Vec<usize>) {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    cluster.env("LOG_JSON", "true");
    let processes = start_all(&mut cluster, &SERVICES).await;
    (cluster, processes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_followed_from_its_queue_to_its_end() {
    let (cluster, _) = world().await;
    let tenant = tenant_with_model(&cluster).await;
    until("the worker says how it is set up", async || {
        let begun = lines(&cluster, &["worker"], "worker started");
        begun.iter().any(|line| line["concurrency"].is_u64() && line["queues"].is_string())
    })
    .await;

    let task = detect(&tenant, "images/shapes_b.jpg").await;
    completes(&tenant, &task, &cluster).await;
    let enqueued = line_about(&cluster, &DISPATCHERS, "task enqueued", &task).await;
    let delivery = json!(format!("ml_{task}:1"));
    assert_eq!((&enqueued["queue"], &enqueued["job_id"]), (&json!("gpu_jobs"), &delivery), "{enqueued}");
    let started = line_about(&cluster, &["worker"], "run started", &task).await;
    let inferred = line_about(&cluster, &["ml-service"], "inference ended", &task).await;
    let ended = line_about(&cluster, &["worker"], "task completed", &task).await;
    assert_eq!((&ended["artifact_count"], &ended["stored"]), (&json!(10), &json!(true)), "{ended}");
    for line in [&started, &inferred, &ended] {
        assert_eq!(line["attempt"], 1, "{line}");
    }
    for line in [&inferred, &ended] {
        assert!(line["duration_ms"].is_number(), "{line}");
    }
    [enqueued, started, inferred, ended].iter().for_each(tells_what_all_tell);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_says_why() {
    let (cluster, _) = world().await;
    let tenant = cluster.operator().tenant("acme").await.unwrap();
    let task = noop(&tenant, 30_000).await;
    tenant.wait_for(&task, &["running"]).await.unwrap();
    cluster.redis().command(&["SET", &format!("ml_result:{task}:1"), "no result"]).unwrap();
    let failed = tenant.wait(&task).await.unwrap();
    assert_eq!(failed["error"]["code"], "invalid_result", "{failed}");
    let line = line_about(&cluster, &["worker"], "run failed", &task).await;
    assert_eq!((&line["code"], &line["detail"]), (&failed["error"]["code"], &failed["error"]["detail"]), "{line}");
    assert_eq!((&line["fate"], &line["attempt"]), (&json!("Final"), &json!(1)), "{line}");
    tells_what_all_tell(&line);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reconciler_says_what_it_repairs() {
    let (mut cluster, processes) = world().await;
    let [_, _, worker, reconciler] = processes[..] else { panic!("{processes:?}") };
    let tenant = cluster.operator().tenant("acme").await.unwrap();

    let crashed = noop(&tenant, 3_000).await;
    tenant.wait_for(&crashed, &["running"]).await.unwrap();
    cluster.kill(worker).unwrap();
    let line = line_about(&cluster, &["reconciler"], "lease ran out", &crashed).await;
    assert_eq!((&line["attempt"], &line["became"]), (&json!(1), &json!("pending")), "{line}");
    tells_what_all_tell(&line);
    until("the pass is summed up", async || {
        let said = lines(&cluster, &["reconciler"], "reconciled");
        said.iter().any(|line| line["report"].as_str().is_some_and(|report| report.contains("running_synced: 1")))
    })
    .await;

    let (astray, queue) = (noop(&tenant, 0).await, "{ortolan:cpu_jobs}:active");
    let delivery = format!("ml_{astray}:1");
    until("its delivery waits", async || {
        cluster.redis().command(&["LRANGE", queue, "0", "-1"]).unwrap().contains(&delivery)
    })
    .await;
    cluster.redis().command(&["DEL", queue]).unwrap();
    let line = line_about(&cluster, &["reconciler"], "a delivery was lost", &astray).await;
    assert_eq!((&line["attempt"], &line["queue"]), (&json!(1), &json!("cpu_jobs")), "{line}");
    tells_what_all_tell(&line);

    let nobodys = "0190c7a0-0000-7000-8000-000000000000";
    cluster.redis().command(&["SET", &format!("ml_result:{nobodys}:7"), "of no task"]).unwrap();
    cluster.signal(reconciler, "HUP", false).unwrap();
    let line = line_about(&cluster, &["reconciler"], "a result that no run waits for was removed", nobodys).await;
    assert_eq!(line["attempt"], 7, "{line}");

    cluster.restart(worker).unwrap();
    for task in [crashed, astray] {
        let done = completes(&tenant, &task, &cluster).await;
        assert!(done["attempt"].as_i64() > Some(1), "{done}");
    }
}
