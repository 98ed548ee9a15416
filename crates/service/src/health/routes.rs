//! The health and metrics endpoints, which answer without a key.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use ortolan_domain::{ErrorCode, Problem};
use serde_json::{Value, json};

use super::{HealthRegistry, HealthReport};
use crate::telemetry::{MetricsHandle, Published, gathered};

type Gathering = Pin<Box<dyn Future<Output = Vec<Published>> + Send>>;

/// What `/metrics` shows: the process's own metrics, and where it may ask for those of processes without a port.
#[derive(Clone)]
pub struct MetricsPage {
    own: MetricsHandle,
    others: Option<Arc<dyn Fn() -> Gathering + Send + Sync>>,
}

impl MetricsPage {
    /// The process's own metrics, and what `others` gives each time.
    pub fn with_others<F, R>(own: MetricsHandle, others: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Vec<Published>> + Send + 'static,
    {
        Self { own, others: Some(Arc::new(move || Box::pin(others()))) }
    }

    async fn render(&self) -> String {
        let own = self.own.render();
        match &self.others {
            Some(others) => gathered(&own, &others().await),
            None => own,
        }
    }
}

impl From<MetricsHandle> for MetricsPage {
    fn from(own: MetricsHandle) -> Self {
        Self { own, others: None }
    }
}

/// `/health`, `/health/live`, `/health/ready` and `/metrics`, to be merged into a service's routes.
pub fn routes<S: Clone + Send + Sync + 'static>(health: HealthRegistry, metrics: impl Into<MetricsPage>) -> Router<S> {
    Router::new()
        .route("/health", get(report))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .with_state(health)
        .route("/metrics", get(text).with_state(metrics.into()))
}

/// What a process answers that has to wait for something before it can work: it lives, and is not ready. Everything else
/// is refused with 503.
pub fn routes_while_waiting<S: Clone + Send + Sync + 'static>(
    health: HealthRegistry,
    metrics: MetricsHandle,
) -> Router<S> {
    routes(health, metrics).fallback(|| async {
        let problem = Problem::new(ErrorCode::Unavailable, "this process waits for the stores that it needs", "");
        let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::RETRY_AFTER, "5")];
        (StatusCode::SERVICE_UNAVAILABLE, headers, Json(problem))
    })
}

/// Always 200: the status stands in the body.
async fn report(State(health): State<HealthRegistry>) -> Json<Arc<HealthReport>> {
    Json(health.report().await)
}

/// 200 as long as the process answers at all. It checks nothing: what may be away must not get the process restarted.
async fn live(State(health): State<HealthRegistry>) -> Json<Value> {
    Json(probe(&health, "alive", json!({})))
}

/// 200 when requests may be sent here, else 503.
async fn ready(State(health): State<HealthRegistry>) -> impl IntoResponse {
    let is_ready = health.is_ready().await;
    let (code, status) =
        if is_ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not_ready") };
    (code, Json(probe(&health, status, json!(health.report().await.checks))))
}

/// The body of a probe's answer.
fn probe(health: &HealthRegistry, status: &str, checks: Value) -> Value {
    let (version, environment) = (env!("CARGO_PKG_VERSION"), health.0.environment.as_str());
    json!({ "status": status, "version": version, "environment": environment, "checks": checks })
}

async fn text(State(metrics): State<MetricsPage>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render().await)
}
