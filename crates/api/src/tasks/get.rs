//! `GET /tasks/{id}`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use ortolan_domain::TaskId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::view::TaskView;
use super::watch::wait_until_ended;
use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::extract::{IdPath, Query};
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(GetRefusals: NotFound);

/// How a task is looked at.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct GetQuery {
    /// Waits for the end of the task for at most so many seconds, then answers with the task as it is.
    #[param(minimum = 0, maximum = 30)]
    wait: Option<u64>,
}

/// Looks at a task, or waits for its end
///
/// Needs scope `read`.
#[utoipa::path(
    get, path = "/tasks/{task_id}", tag = "tasks",
    params(("task_id" = String, Path, format = Uuid), GetQuery),
    responses((status = 200, description = "The task.", body = TaskView), GetRefusals),
)]
pub async fn get_task(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    IdPath(id): IdPath<TaskId>,
    Query(query): Query<GetQuery>,
) -> Result<Response, ApiError> {
    let task = match wait_of(&state, query)? {
        Some(wait) => wait_until_ended(&state, tenant.id, id, wait).await?,
        None => state.stores.tasks.get(tenant.id, id).await?,
    };
    let task = task.ok_or_else(|| ApiError::not_found("task"))?;
    Ok(Json(TaskView::from(&task)).into_response())
}

fn wait_of(state: &ApiState, query: GetQuery) -> Result<Option<Duration>, ApiError> {
    let most = state.settings().max_wait.as_secs();
    match query.wait {
        Some(seconds) if seconds > most => {
            Err(ApiError::parameter("wait", format!("must be from 0 to {most} seconds, was {seconds}")))
        }
        wait => Ok(wait.filter(|seconds| *seconds > 0).map(Duration::from_secs)),
    }
}
