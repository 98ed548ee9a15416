//! Tasks: submitted, followed, cancelled, tried again.
//!
//! A submission is checked whole before anything is stored: type, configuration, media object, model. From then on the row is
//! the truth; the dispatcher hears of the commit that there is something to do.

mod annotated;
mod artifacts;
mod callbacks;
mod cancel;
mod enqueue;
mod events;
mod get;
mod guard;
mod list;
mod process;
pub(crate) mod quota;
mod reconcile;
mod retry;
pub(crate) mod submit;
mod view;
pub(crate) mod watch;
pub(crate) mod wishes;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ApiState;

/// The routes of tasks.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list::list_tasks, submit::submit_task))
        .routes(routes!(process::process))
        .routes(routes!(reconcile::reconcile_tasks))
        .routes(routes!(get::get_task))
        .routes(routes!(artifacts::task_artifacts))
        .routes(routes!(annotated::annotated_picture))
        .routes(routes!(callbacks::list::task_callbacks))
        .routes(routes!(callbacks::redeliver::redeliver_callback))
        .routes(routes!(events::task_events))
        .routes(routes!(enqueue::enqueue_task))
        .routes(routes!(cancel::cancel_task))
        .routes(routes!(retry::retry_task))
}
