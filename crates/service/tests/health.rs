//! Health as load balancers and people ask for it.
#![allow(clippy::unwrap_used)]

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use ortolan_domain::{ManualClock, Timestamp};
use ortolan_service::Shutdown;
use ortolan_service::config::Environment;
use ortolan_service::health::{Health, HealthRegistry, Importance, Status, routes, routes_while_waiting};
use ortolan_service::telemetry::metrics_handle;
use serde_json::{Value, json};
use tower::ServiceExt;

fn registry(shutdown: &Shutdown) -> HealthRegistry {
    HealthRegistry::new(Environment::Staging, ManualClock::at(Timestamp::from_micros(0)), shutdown.clone())
}

async fn get(health: &HealthRegistry, path: &str) -> (StatusCode, Value) {
    let router: Router = routes(health.clone(), metrics_handle().unwrap());
    let response = router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8(body.to_vec()).unwrap().into()))
}

#[tokio::test(start_paused = true)]
async fn checks_that_hang_or_panic_are_down_within_a_second_and_the_others_are_heard() {
    let health = registry(&Shutdown::new());
    health.check("hangs", Importance::Essential, pending);
    health.check("hangs_too", Importance::Optional, pending);
    health.check("panics", Importance::Optional, async || panic!("as planned"));
    health.check("fine", Importance::Essential, async || Health::Up);
    let before = tokio::time::Instant::now();
    let report = health.report().await;
    assert!(before.elapsed() <= Duration::from_millis(1_001), "they run side by side");
    assert_eq!(
        serde_json::to_value(&report.checks).unwrap(),
        json!({
            "hangs": { "status": "down", "reason": "no answer within a second" },
            "hangs_too": { "status": "down", "reason": "no answer within a second" },
            "panics": { "status": "down", "reason": "the check itself failed" },
            "fine": { "status": "up" },
        })
    );
    assert_eq!(report.status, Status::Unhealthy);
}

#[tokio::test(start_paused = true)]
async fn many_askers_within_a_second_share_one_run() {
    let (health, runs) = (registry(&Shutdown::new()), Arc::new(AtomicU32::new(0)));
    let counter = runs.clone();
    health.check("counted", Importance::Optional, move || {
        let counter = counter.clone();
        async move {
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(100)).await;
            Health::Up
        }
    });
    tokio::join!(health.report(), health.report(), health.is_ready());
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    tokio::time::sleep(Duration::from_millis(1_001)).await;
    health.report().await;
    assert_eq!(runs.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn only_what_is_essential_and_down_makes_a_process_unready() {
    for (importance, found, status, code) in [
        (Importance::Essential, Health::Up, "healthy", StatusCode::OK),
        (Importance::Essential, Health::Degraded("slow"), "degraded", StatusCode::OK),
        (Importance::Optional, Health::Down("gone"), "degraded", StatusCode::OK),
        (Importance::Essential, Health::Down("gone"), "unhealthy", StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let health = registry(&Shutdown::new());
        health.check("store", importance, move || async move { found });
        health.fact("gpu_available", || false.into());
        let (health_code, report) = get(&health, "/health").await;
        assert_eq!(health_code, StatusCode::OK, "the status stands in the body");
        assert_eq!(report["status"], status);
        assert_eq!((&report["environment"], &report["gpu_available"]), (&"staging".into(), &false.into()));
        assert_eq!(report["timestamp"], "1970-01-01T00:00:00Z");
        assert!(report["version"].is_string());
        let (ready_code, ready) = get(&health, "/health/ready").await;
        assert_eq!((ready_code, &ready["version"], &ready["checks"]), (code, &report["version"], &report["checks"]));
        assert_eq!(ready["environment"], "staging");
        assert_eq!(
            get(&health, "/health/live").await,
            (
                StatusCode::OK,
                json!({
                    "status": "alive", "version": report["version"], "environment": "staging", "checks": {},
                })
            )
        );
    }
}

#[tokio::test(start_paused = true)]
async fn whether_it_lives_is_told_without_asking_anything_that_may_be_away() {
    let (health, asked) = (registry(&Shutdown::new()), Arc::new(AtomicU32::new(0)));
    let counter = asked.clone();
    health.check("store", Importance::Essential, move || {
        counter.fetch_add(1, Ordering::Relaxed);
        pending()
    });
    let before = tokio::time::Instant::now();
    let version = env!("CARGO_PKG_VERSION");
    let alive = json!({ "status": "alive", "version": version, "environment": "staging", "checks": {} });
    assert_eq!(get(&health, "/health/live").await, (StatusCode::OK, alive));
    assert_eq!((asked.load(Ordering::Relaxed), before.elapsed()), (0, Duration::ZERO));
    assert_eq!(get(&health, "/health/ready").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(asked.load(Ordering::Relaxed), 1, "to be ready, the store is needed");
}

#[tokio::test]
async fn a_process_that_waits_for_its_stores_lives_and_refuses_everything_else() {
    let health = registry(&Shutdown::new());
    health.check("database", Importance::Essential, async || Health::Down("is waited for"));
    let router: Router = routes_while_waiting(health, metrics_handle().unwrap());
    for (path, status) in [("/health/live", 200), ("/health", 200), ("/health/ready", 503), ("/api/v1/tasks", 503)] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
    }
}

#[tokio::test]
async fn a_process_that_stops_is_alive_but_not_ready() {
    let shutdown = Shutdown::new();
    let health = registry(&shutdown);
    assert_eq!(get(&health, "/health/ready").await.0, StatusCode::OK);
    shutdown.begin();
    let (code, body) = get(&health, "/health/ready").await;
    assert_eq!((code, &body["status"]), (StatusCode::SERVICE_UNAVAILABLE, &"not_ready".into()));
    assert_eq!(get(&health, "/health/live").await.0, StatusCode::OK);
}

#[tokio::test]
async fn metrics_are_served_as_text() {
    let (code, text) = get(&registry(&Shutdown::new()), "/metrics").await;
    assert_eq!(code, StatusCode::OK);
    assert!(text.as_str().unwrap().contains("ortolan_build_info{version="), "{text}");
}
