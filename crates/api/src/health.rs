//! `GET /health/workers`.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use ortolan_domain::route::QueueName;
use ortolan_domain::{TaskStatus, Timestamp};
use ortolan_store::{ProcessRecord, QueueDepth};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(HealthRefusals:);

/// What workers call themselves in the register of processes.
const WORKER: &str = "worker";

/// The routes of health that the API itself answers.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(worker_health))
}

/// A worker that was not heard of for so long is not listed any more.
const SILENT_AFTER: Duration = Duration::from_secs(30);
/// Most workers that are listed.
const MOST_WORKERS: u32 = 1_000;

/// The workers, what waits for them and what they have under way, of all tenants together.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkerHealth {
    /// `connected` when there are workers, `no_workers` when there are none.
    status: &'static str,
    /// True when the broker answers.
    broker_connected: bool,
    /// The workers that were heard of lately, by id.
    workers: BTreeMap<String, LiveWorker>,
    /// The queues that tasks are dispatched to.
    queues: Vec<QueueHealth>,
    /// When this was counted.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
}

/// A worker that was heard of lately.
#[derive(Debug, Serialize, ToSchema)]
struct LiveWorker {
    /// The queues that it takes from.
    queues: Vec<String>,
    /// Tasks that it had under way then.
    running: u64,
    /// When it started.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it was heard of last.
    #[schema(value_type = String, format = DateTime)]
    seen_at: Timestamp,
}

/// What stands in one queue.
#[derive(Debug, Serialize, ToSchema)]
struct QueueHealth {
    /// Its name.
    name: &'static str,
    /// Tasks that wait in the database.
    pending: u64,
    /// Tasks whose delivery is on its way.
    queued: u64,
    /// Tasks that a worker has taken.
    running: u64,
}

/// Shows the workers, what waits for them and what they have under way
///
/// Needs no key.
#[utoipa::path(
    get, path = "/health/workers", tag = "health", security(()),
    responses((status = 200, description = "Workers and queues.", body = WorkerHealth), HealthRefusals),
)]
pub async fn worker_health(State(state): State<ApiState>) -> Result<Json<WorkerHealth>, ApiError> {
    let depths = state.stores.tasks.depths().await?;
    let queues: Vec<_> = QueueName::TASKS.into_iter().map(|queue| QueueHealth::of(queue, &depths)).collect();
    let processes = state.stores.processes.processes(state.now().minus(SILENT_AFTER), MOST_WORKERS).await?;
    let workers = processes.into_iter().filter(|process| process.service == WORKER);
    let workers: BTreeMap<_, _> = workers.map(LiveWorker::of).collect();
    let status = if workers.is_empty() { "no_workers" } else { "connected" };
    let broker_connected = state.dispatcher.can_push().await;
    Ok(Json(WorkerHealth { status, broker_connected, workers, queues, timestamp: state.now() }))
}

impl LiveWorker {
    fn of(process: ProcessRecord) -> (String, Self) {
        let ProcessRecord { id, queues, running, started_at, seen_at, .. } = process;
        let queues = queues.split(',').map(str::to_owned).collect();
        (id, Self { queues, running, started_at, seen_at })
    }
}

impl QueueHealth {
    fn of(queue: QueueName, depths: &[QueueDepth]) -> Self {
        let count = |status| {
            depths.iter().filter(|depth| depth.queue == queue && depth.status == status).map(|depth| depth.count).sum()
        };
        Self {
            name: queue.as_str(),
            pending: count(TaskStatus::Pending),
            queued: count(TaskStatus::Queued),
            running: count(TaskStatus::Running),
        }
    }
}
