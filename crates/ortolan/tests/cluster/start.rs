//! How processes start and stop.

use ortolan_testkit::{Cluster, ThrowAwayPostgres, ThrowAwayRedis};
use serde_json::{Value, json};

use crate::support::{PROGRAM, completes, detect, noop, start_all, tenant_with_model, until};

#[tokio::test(flavor = "multi_thread")]
async fn processes_wait_for_their_stores_and_say_so() {
    let (mut postgres, mut redis) = (ThrowAwayPostgres::prepare().unwrap(), ThrowAwayRedis::prepare(&[]).unwrap());
    let mut cluster = Cluster::on(PROGRAM, &postgres.url("postgres"), redis.url()).unwrap();
    let services = ["api", "worker", "ml-service", "reconciler"];
    let processes = services.map(|service| cluster.start(service, &[]).unwrap());
    let client = reqwest::Client::new();
    let status = async |path: &str| {
        let answer = client.get(format!("{}{path}", cluster.base())).send().await;
        answer.map_or(0, |answer| answer.status().as_u16())
    };
    until("the API says that it is not ready", async || status("/health/ready").await == 503).await;
    assert_eq!(status("/health/live").await, 200);
    assert_eq!(status("/api/v1/tasks").await, 503);
    until("all that need it wait for the database", async || {
        cluster.logs().matches("waiting for the database").count() >= 3
    })
    .await;
    for process in processes {
        assert!(cluster.ended(process).unwrap().is_none(), "{}", cluster.logs());
    }
    redis.begin().unwrap();
    postgres.begin().unwrap();
    cluster.ready().await.unwrap();
    let answer = client.get(format!("{}/health/ready", cluster.base())).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let tenant = cluster.operator().tenant("acme").await.unwrap();
    let task = noop(&tenant, 1).await;
    completes(&tenant, &task, &cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_loses_its_stores_says_that_it_lives_and_is_not_ready() {
    let (mut postgres, mut redis) = (ThrowAwayPostgres::start().unwrap(), ThrowAwayRedis::start().unwrap());
    let mut cluster = Cluster::on(PROGRAM, &postgres.url("postgres"), redis.url()).unwrap();
    let processes = start_all(&mut cluster, &["api", "worker", "ml-service", "reconciler"]).await;
    postgres.end(false).unwrap();
    redis.end(false).unwrap();
    let client = reqwest::Client::new();
    for base in [cluster.base(), cluster.ml_base()] {
        until("it says that it is not ready", async || {
            let answer = client.get(format!("{base}/health/ready")).send().await;
            answer.is_ok_and(|answer| answer.status() == 503)
        })
        .await;
        let answer = client.get(format!("{base}/health/live")).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let told: Value = answer.json().await.unwrap();
        assert_eq!((&told["status"], &told["environment"]), (&json!("alive"), &json!("development")));
        assert!(told["version"].as_str().is_some_and(|version| !version.is_empty()), "{told}");
    }
    for process in processes {
        assert!(cluster.ended(process).unwrap().is_none(), "{}", cluster.logs());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_still_waits_for_the_database_stops_cleanly_when_told_to() {
    let (postgres, redis) = (ThrowAwayPostgres::prepare().unwrap(), ThrowAwayRedis::start().unwrap());
    let mut cluster = Cluster::on(PROGRAM, &postgres.url("postgres"), redis.url()).unwrap();
    for service in ["api", "worker", "reconciler"] {
        let process = cluster.start(service, &[]).unwrap();
        let waits = format!("== {service}");
        until("it waits for the database", async || {
            let logs = cluster.logs();
            let own = logs.split("== ").find(|part| format!("== {part}").starts_with(&waits));
            own.is_some_and(|own| own.contains("waiting for the database"))
        })
        .await;
        let status = cluster.stop(process).unwrap();
        assert_eq!(status.code(), Some(0), "{service}: {}", cluster.logs());
    }
}

/// Runs `ortolan doctor` with these variables more; gives whether it found all well, and what it said.
fn doctor(cluster: &mut Cluster, more: &[(&str, &str)]) -> (bool, String) {
    let before = cluster.log("doctor").len();
    let doctor = cluster.start_with("doctor", &[], more).unwrap();
    let is_well = cluster.wait(doctor).unwrap().success();
    (is_well, cluster.log("doctor").split_off(before))
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_are_told_nothing_take_pictures_and_doctor_looks_at_all_of_them() {
    let mut cluster = Cluster::prepare(PROGRAM).unwrap();
    start_all(&mut cluster, &["api", "ml-service", "worker"]).await;
    let tenant = tenant_with_model(&cluster).await;
    let task = detect(&tenant, "images/shapes_b.jpg").await;
    completes(&tenant, &task, &cluster).await;

    let (_, said) = doctor(&mut cluster, &[]);
    for line in [["redis", "answers"], ["ml service", "runs models on"], ["database", "postgres answers"]] {
        assert!(said.lines().any(|said| line.iter().all(|word| said.contains(word))), "{line:?} {said}");
    }
    let nowhere = "127.0.0.1:9";
    for (name, url, what) in [
        ("REDIS_URL", format!("redis://{nowhere}"), "REDIS_URL"),
        ("ML_SERVICE_URL", format!("http://{nowhere}"), "ML_SERVICE_URL"),
    ] {
        let (is_well, said) = doctor(&mut cluster, &[(name, &url)]);
        assert!(!is_well && said.contains(what), "{name}: {said}");
    }
}
