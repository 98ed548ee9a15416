//! `GET /jobs/{id}`.

use axum::Json;
use axum::extract::State;
use ortolan_domain::TaskId;

use super::find;
use super::view::JobView;
use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::extract::IdPath;
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(GetRefusals: NotFound);

/// Shows a job
///
/// Needs scope `read`.
#[utoipa::path(
    get, path = "/jobs/{job_id}", tag = "jobs", params(("job_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "The job.", body = JobView), GetRefusals),
)]
pub async fn get_job(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    IdPath(id): IdPath<TaskId>,
) -> Result<Json<JobView>, ApiError> {
    JobView::of(find(&state, &tenant, id).await?).map(Json)
}
