//! A model that kills its process takes down nothing but its own calls.

use ortolan_testkit::fixtures;
use serde_json::json;

use crate::{leaks_nothing, options, server, tenant_with_detector};

/// Runners of the server, by asking the kernel for its children.
pub fn runners(server: &ortolan_testkit::Server) -> Vec<u32> {
    let pid = server.pid().unwrap();
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let children = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    children.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_runner_costs_one_try_and_the_next_call_finds_a_fresh_one() {
    let mut server = ortolan_testkit::Server::start(options()).await.unwrap();
    let (tenant, other) = (tenant_with_detector(&server, "acme").await, tenant_with_detector(&server, "other").await);
    crate::detects(&tenant).await;
    let media = tenant.media("big.jpg", fixtures::read("images/shapes_big.jpg")).await.unwrap();
    let mut tasks = Vec::new();
    for _ in 0..10 {
        tasks.push(tenant.submit("object_detection", Some(&media), json!({})).await.unwrap());
    }
    for runner in runners(&server) {
        std::process::Command::new("kill").args(["-KILL", &runner.to_string()]).status().unwrap();
    }
    crate::detects(&other).await;
    for task in tasks {
        assert_eq!(tenant.wait(&task).await.unwrap()["status"], "completed");
    }
    assert!(server.is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_runner_outlives_the_server() {
    let mut server = server().await;
    let tenant = tenant_with_detector(&server, "acme").await;
    crate::detects(&tenant).await;
    let children = runners(&server);
    assert!(!children.is_empty());
    // Only the server itself is killed: the runners must notice by themselves.
    std::process::Command::new("kill").args(["-KILL", &server.pid().unwrap().to_string()]).status().unwrap();
    for _ in 0..500 {
        // A runner that has ended may stay as a zombie until somebody reaps it; it holds nothing then.
        let alive =
            |pid: &&u32| std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|s| !s.contains("State:\tZ"));
        if !children.iter().any(|pid| alive(&pid)) {
            server.kill().unwrap();
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("a runner outlived the server");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_is_shut_in() {
    let server = server().await;
    let tenant = tenant_with_detector(&server, "acme").await;
    crate::detects(&tenant).await;
    for runner in runners(&server) {
        let status = std::fs::read_to_string(format!("/proc/{runner}/status")).unwrap();
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
        assert!(status.contains("Seccomp:\t2"), "{status}");
        let environ = std::fs::read(format!("/proc/{runner}/environ")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&environ).contains(server.operator_key()));
    }
    leaks_nothing(&tenant.get("/model-cache").await.unwrap().body.to_string());
}
