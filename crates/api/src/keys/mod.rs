//! API keys, managed by operators and by the tenants' own admins.

mod create;
mod list;
mod revoke;
mod view;

use std::sync::Arc;

use ortolan_domain::TenantId;
use ortolan_store::Tenant;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Caller;
use crate::error::ApiError;
use crate::state::ApiState;

/// The routes of keys.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list::list_keys, create::create_key)).routes(routes!(revoke::revoke_key))
}

/// The tenant whose keys the caller may manage: any for an operator, its own for an admin.
async fn managed_tenant(state: &ApiState, caller: &Caller, id: TenantId) -> Result<Arc<Tenant>, ApiError> {
    let not_found = || ApiError::not_found("tenant");
    if caller.is_operator() {
        return state.stores.tenants.tenant(id).await?.map(Arc::new).ok_or_else(not_found);
    }
    caller.tenant.clone().filter(|tenant| tenant.id == id).ok_or_else(not_found)
}
