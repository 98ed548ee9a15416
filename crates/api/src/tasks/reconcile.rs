//! `POST /tasks/reconcile`.

use axum::Json;
use axum::extract::State;

use crate::auth::{Admin, OptionalTenant};
use crate::openapi::refusals;
use crate::reconcile::ReconcileStats;
use crate::state::ApiState;

refusals!(ReconcileRefusals:);

/// Compares tasks with queues and results now, and repairs what differs
///
/// It also happens by itself every few minutes. The numbers are about the whole installation; what failed is told to operators
/// only. Needs scope `admin`.
#[utoipa::path(
    post, path = "/tasks/reconcile", tag = "tasks",
    responses((status = 200, description = "What was done.", body = ReconcileStats), ReconcileRefusals),
)]
pub async fn reconcile_tasks(
    State(state): State<ApiState>,
    OptionalTenant { caller, .. }: OptionalTenant<Admin>,
) -> Json<ReconcileStats> {
    let mut stats = state.reconcile.run_once().await;
    if !caller.is_operator() {
        stats.errors.clear();
    }
    Json(stats)
}
