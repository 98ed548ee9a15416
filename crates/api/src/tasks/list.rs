//! `GET /tasks`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use ortolan_domain::{TaskStatus, TaskType, VideoId};
use ortolan_store::{Order, SortBy, TaskFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::view::TaskView;
use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::extract::Query;
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(ListRefusals:);

/// The most tasks in one answer.
const MAX_LIMIT: u32 = 100;

/// Which tasks are shown, and in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only these statuses, in any case, with commas between; `pending` includes `queued`.
    status: Option<String>,
    /// Only this type.
    task_type: Option<String>,
    /// Only tasks of this video; there are none yet, as no task is about a video.
    #[param(format = Uuid)]
    video_id: Option<String>,
    /// `created_at`, `started_at` or `running_time`.
    #[param(default = "created_at")]
    sort_by: Option<String>,
    /// `asc` or `desc`.
    #[param(default = "desc")]
    sort_order: Option<String>,
    /// At most so many.
    #[serde(default = "usual_limit")]
    #[param(minimum = 1, maximum = 100, default = 10)]
    limit: u32,
    /// After leaving out so many.
    #[serde(default)]
    #[param(minimum = 0, default = 0)]
    offset: u64,
}

const fn usual_limit() -> u32 {
    10
}

/// A part of the list of tasks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskList)]
struct TaskListView<'a> {
    /// The tasks.
    tasks: Vec<TaskView<'a>>,
    /// How many there are in all.
    total: u64,
    /// At most so many were asked for.
    limit: u32,
    /// So many were left out before.
    offset: u64,
}

/// Lists tasks
///
/// Needs scope `read`.
#[utoipa::path(
    get, path = "/tasks", tag = "tasks", params(ListQuery),
    responses((status = 200, description = "A part of the list.", body = TaskListView), ListRefusals),
)]
pub async fn list_tasks(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let filter = query.check()?;
    let found = state.stores.tasks.list(tenant.id, &filter, state.now()).await?;
    let tasks = found.items.iter().map(TaskView::from).collect();
    let view = TaskListView { tasks, total: found.total, limit: filter.limit, offset: filter.offset };
    Ok(Json(view).into_response())
}

impl ListQuery {
    fn check(self) -> Result<TaskFilter, ApiError> {
        if !(1..=MAX_LIMIT).contains(&self.limit) {
            return Err(ApiError::parameter("limit", format!("must be from 1 to {MAX_LIMIT}, was {}", self.limit)));
        }
        Ok(TaskFilter {
            statuses: self.status.as_deref().map(statuses).transpose()?.unwrap_or_default(),
            task_type: self.task_type.as_deref().map(task_type).transpose()?,
            video_id: self.video_id.as_deref().map(video_id).transpose()?,
            sort_by: self.sort_by.as_deref().map(sort_by).transpose()?.unwrap_or_default(),
            order: self.sort_order.as_deref().map(order).transpose()?.unwrap_or_default(),
            limit: self.limit,
            offset: self.offset,
        })
    }
}

fn statuses(words: &str) -> Result<Vec<TaskStatus>, ApiError> {
    let unknown = || one_of("status", TaskStatus::ALL.map(TaskStatus::as_str), words);
    let named: Option<Vec<_>> = words.split(',').map(|word| TaskStatus::parse(word.trim())).collect();
    let mut named = named.ok_or_else(unknown)?;
    if named.contains(&TaskStatus::Pending) && !named.contains(&TaskStatus::Queued) {
        named.push(TaskStatus::Queued);
    }
    Ok(named)
}

fn task_type(word: &str) -> Result<TaskType, ApiError> {
    let known = TaskType::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(word));
    known.ok_or_else(|| one_of("task_type", TaskType::ALL.map(TaskType::as_str), word))
}

fn video_id(text: &str) -> Result<VideoId, ApiError> {
    let shown: String = text.chars().take(64).collect();
    text.parse().map_err(|_| ApiError::parameter("video_id", format!("Invalid UUID format for video_id: {shown}")))
}

fn sort_by(word: &str) -> Result<SortBy, ApiError> {
    match word {
        "created_at" => Ok(SortBy::CreatedAt),
        "started_at" => Ok(SortBy::StartedAt),
        "running_time" => Ok(SortBy::RunningTime),
        _ => Err(one_of("sort_by", ["created_at", "started_at", "running_time"], word)),
    }
}

fn order(word: &str) -> Result<Order, ApiError> {
    match word {
        "asc" => Ok(Order::Ascending),
        "desc" => Ok(Order::Descending),
        _ => Err(one_of("sort_order", ["asc", "desc"], word)),
    }
}

fn one_of<const N: usize>(name: &str, known: [&str; N], given: &str) -> ApiError {
    ApiError::parameter(name, format!("must be one of {}, was '{given}'", known.join(", ")))
}
