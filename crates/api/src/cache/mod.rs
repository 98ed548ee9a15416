//! How the caches of answers do.

mod metrics;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ApiState;

/// The routes of caches.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(metrics::show_cache_metrics)).routes(routes!(metrics::reset_cache_metrics))
}
