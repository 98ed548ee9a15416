//! Tenants, managed by operators.

mod create;
mod delete;
mod get;
mod list;
mod objects;
mod update;
mod view;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use view::{TenantView, check_label};

use crate::state::ApiState;

/// The routes of tenants.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list::list_tenants, create::create_tenant)).routes(routes!(
        get::get_tenant,
        update::update_tenant,
        delete::delete_tenant
    ))
}
