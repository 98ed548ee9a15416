//! Slots: a tenant's models by purpose, at their conventional paths.
//!
//! The object at the path is the truth; what was recorded of an upload is shown only while it still fits the object. Who
//! served when stands in a ledger, and the latest generations are kept for a rollback.

mod delete;
mod history;
mod install;
mod list;
mod put;
mod rollback;
mod view;

pub use install::check_and_install;
pub use view::SlotView;

use ortolan_blobs::ObjectPath;
use ortolan_domain::model::ModelRef;
use ortolan_domain::{Slot, TenantSlug};
use ortolan_store::Tenant;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::state::ApiState;

/// The routes of slots.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list::list_slots))
        .routes(routes!(put::put_slot, delete::delete_slot))
        .routes(routes!(history::slot_history))
        .routes(routes!(rollback::roll_back))
}

/// The conventional path of a tenant's model.
pub fn model_path(tenant: &TenantSlug, slot: Slot) -> Result<ObjectPath, ApiError> {
    ObjectPath::of_tenant(tenant, &slot.object_path(tenant)).map_err(|error| ApiError::internal(&error))
}

/// Lets nobody run a model that is no longer in its slot, or see its answers.
async fn replaced(state: &ApiState, tenant: &Tenant, slot: Slot) {
    let model = ModelRef::new(tenant.name.clone(), slot);
    state.drop_answers(tenant, &model).await;
    forget(state, model).await;
}

/// Lets nobody run what a model was before. The object has changed already, so that a service that does not answer now
/// only learns of it later, by the signal or by itself.
pub async fn forget(state: &ApiState, model: ModelRef) {
    state.filled_slots.forget(&model.tenant);
    if let Err(error) = state.inference.forget_model(model.clone()).await {
        tracing::warn!(tenant_id = %model.tenant, model = %model.name, %error, "the ML service was not told of a changed model");
    }
    state.signals.publish_model_changed(model);
}
