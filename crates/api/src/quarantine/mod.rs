//! Pairs of a model's file and an input that crashed the process that ran them too often, and are not run together again.

mod check;
mod lift;
mod list;

pub use check::{refuse_quarantined, refuse_quarantined_pair};

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ApiState;

/// The routes of the quarantine.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list::list_quarantine, lift::lift_all)).routes(routes!(lift::lift_one))
}
