//! Who asks, and what its tenant uses.

mod show;
mod usage;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ApiState;

/// The routes of the account.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(show::show_me)).routes(routes!(usage::show_usage))
}
