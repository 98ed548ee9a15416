//! The registry: versions of models, their files, and the way of a version from an upload to being served.
//!
//! Flow: `POST /models` makes a pending version, `/upload` gives it a file, `/validate` tries the file in a process that is
//! thrown away, and `/promote` copies a ready version into a slot. Names lead to versions by `/models/by-name`.
//!
//! Invariants: only validation makes a version ready; a ready version's file never changes; a file without a version, or a
//! version that names a file it has not, is never left behind. What is read is cached ([`cache`]), and every change drops it.

mod by_name;
mod cache;
mod create;
mod delete;
mod facts;
mod get;
mod list;
mod promote;
mod update;
mod upload;
mod validate;
mod view;

use ortolan_blobs::ObjectPath;
use ortolan_domain::model::{Model, ModelRef};
use ortolan_domain::{ErrorCode, ModelId};
use ortolan_store::Tenant;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::slots::forget;
use crate::state::ApiState;

/// The routes of the registry.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list::list_models, create::create_model))
        .routes(routes!(get::get_model, update::update_model, delete::delete_model))
        .routes(routes!(upload::upload_model))
        .routes(routes!(validate::validate_model))
        .routes(routes!(promote::promote_model))
        .routes(routes!(by_name::model_versions))
        .routes(routes!(by_name::latest_model))
}

/// Where a version's file lies.
pub fn file_path(model: &ModelRef) -> Result<ObjectPath, ApiError> {
    ObjectPath::of_tenant(&model.tenant, &model.object_path()).map_err(|error| ApiError::internal(&error))
}

/// The refusal of an unknown id.
fn unknown(id: ModelId) -> ApiError {
    ApiError::new(ErrorCode::NotFound, format!("Model with ID {id} not found"))
}

/// The tenant's version, past every cache.
async fn find(state: &ApiState, tenant: &Tenant, id: ModelId) -> Result<Model, ApiError> {
    state.stores.models.model(tenant.id, id).await?.ok_or_else(|| unknown(id))
}

/// Lets nobody see or run what a version was before it changed from `before`, or what it answered.
async fn answers_otherwise(state: &ApiState, tenant: &Tenant, before: &Model) {
    changed(state, tenant, before).await;
    state.drop_answers(tenant, &ModelRef::new(tenant.name.clone(), before.id)).await;
}

/// Lets nobody see or run what a version was before it changed from `before` (its name or version may be another now).
async fn changed(state: &ApiState, tenant: &Tenant, before: &Model) {
    cache::drop_model(state, &tenant.name, before).await;
    forget(state, ModelRef::new(tenant.name.clone(), before.id)).await;
}
