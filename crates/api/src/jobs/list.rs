//! `GET /jobs`.

use axum::Json;
use axum::extract::State;
use ortolan_domain::{TaskStatus, TaskType};
use ortolan_store::{Page, TaskFilter};
use serde::Deserialize;
use utoipa::IntoParams;

use super::view::JobView;
use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::extract::{Query, check_page, first_page, usual_page_size};
use crate::openapi::refusals;
use crate::page::PageView;
use crate::state::ApiState;

refusals!(ListRefusals:);

/// Which jobs are shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobsQuery {
    /// Only these statuses, in any case, with commas between.
    status: Option<String>,
    /// The page, from 1.
    #[serde(default = "first_page")]
    #[param(minimum = 1, default = 1)]
    page: u32,
    /// Jobs on a page.
    #[serde(default = "usual_page_size")]
    #[param(minimum = 1, maximum = 100, default = 20)]
    page_size: u32,
}

/// Lists jobs, the newest first
///
/// Needs scope `read`.
#[utoipa::path(
    get, path = "/jobs", tag = "jobs", params(JobsQuery),
    responses((status = 200, description = "One page.", body = PageView<JobView>), ListRefusals),
)]
pub async fn list_jobs(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    Query(query): Query<JobsQuery>,
) -> Result<Json<PageView<JobView>>, ApiError> {
    let wish = check_page(query.page, query.page_size)?;
    let filter = TaskFilter {
        statuses: query.status.as_deref().map(statuses).transpose()?.unwrap_or_default(),
        task_type: Some(TaskType::Inference),
        limit: wish.page_size,
        offset: wish.offset(),
        ..TaskFilter::default()
    };
    let found = state.stores.tasks.list(tenant.id, &filter, state.now()).await?;
    let items = found.items.into_iter().map(JobView::of).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(PageView::of(Page { items, total: found.total }, wish)))
}

fn statuses(words: &str) -> Result<Vec<TaskStatus>, ApiError> {
    let named: Option<Vec<_>> = words.split(',').map(|word| TaskStatus::parse(word.trim())).collect();
    named.ok_or_else(|| {
        let known = TaskStatus::ALL.map(TaskStatus::as_str).join(", ");
        ApiError::parameter("status", format!("must be some of {known}, was '{words}'"))
    })
}
