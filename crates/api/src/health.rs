//! `GET /health/workers`.

use axum::Json;
use axum::extract::State;
use ortolan_domain::route::QueueName;
use ortolan_domain::{TaskStatus, Timestamp};
use ortolan_store::QueueDepth;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(HealthRefusals:);

/// The routes of health that the API itself answers.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(worker_health))
}

/// What waits for workers and what they have under way, of all tenants together.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkerHealth {
    /// `connected` when tasks run or none wait, `no_workers` when tasks wait and none runs.
    status: &'static str,
    /// The queues that tasks are dispatched to.
    queues: Vec<QueueHealth>,
    /// When this was counted.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
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

/// Shows what waits for workers and what they have under way
///
/// Needs no key.
#[utoipa::path(
    get, path = "/health/workers", tag = "health", security(()),
    responses((status = 200, description = "The queues.", body = WorkerHealth), HealthRefusals),
)]
pub async fn worker_health(State(state): State<ApiState>) -> Result<Json<WorkerHealth>, ApiError> {
    let depths = state.stores.tasks.depths().await?;
    let queues: Vec<_> = QueueName::TASKS.into_iter().map(|queue| QueueHealth::of(queue, &depths)).collect();
    let (waiting, running) = (queues.iter().any(|q| q.queued > 0), queues.iter().any(|q| q.running > 0));
    let status = if waiting && !running { "no_workers" } else { "connected" };
    Ok(Json(WorkerHealth { status, queues, timestamp: state.now() }))
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
