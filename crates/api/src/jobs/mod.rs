//! Jobs: predictions that nobody waits for. A job is a task of type `inference`, seen through endpoints of its own.

mod cancel;
mod create;
mod delete;
mod get;
mod list;
mod quarantine;
mod result;
mod view;

use ortolan_domain::{Task, TaskId, TaskType};
use ortolan_store::Tenant;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use create::accept;
pub use view::JobView;

use crate::error::ApiError;
use crate::state::ApiState;

/// The routes of jobs.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list::list_jobs, create::create_job))
        .routes(routes!(get::get_job, delete::delete_job))
        .routes(routes!(result::job_result))
        .routes(routes!(cancel::cancel_job))
}

/// The tenant's job; a task of another type is none.
async fn find(state: &ApiState, tenant: &Tenant, id: TaskId) -> Result<Task, ApiError> {
    let task = state.stores.tasks.get(tenant.id, id).await?;
    task.filter(|task| task.spec.task_type == TaskType::Inference).ok_or_else(|| ApiError::not_found("job"))
}
