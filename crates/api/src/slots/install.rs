//! A file's way into a slot: tried for this slot first, then moved over what was there, recorded, and kept for a rollback.

use std::sync::Arc;

use ortolan_blobs::ObjectPath;
use ortolan_domain::job::MlError;
use ortolan_domain::{ErrorCode, Slot, TenantSlug};
use ortolan_ml_client::CheckModel;
use ortolan_store::{SlotChange, SlotRecord, Tenant};

use super::{model_path, replaced};
use crate::error::ApiError;
use crate::state::ApiState;
use crate::upload::StagedModel;

/// How many generations of a slot can be put back, the present one among them.
const KEPT_GENERATIONS: i64 = 3;
/// More copies than there ever are of a slot.
const MAX_KEPT: usize = 100;

/// Tries a file for the slot and installs it. What cannot be served is refused, and the slot keeps what it had.
pub async fn check_and_install(
    state: &ApiState,
    tenant: &Arc<Tenant>,
    staged: StagedModel,
    change: SlotChange,
) -> Result<SlotRecord, ApiError> {
    if let Err(refusal) = check(state, tenant, change.slot, &staged.path).await {
        staged.discard().await;
        return Err(refusal);
    }
    // A client that leaves now must not leave a model behind that nobody was told of.
    let install = install(state.clone(), Arc::clone(tenant), staged, change);
    tokio::spawn(install).await.map_err(|error| ApiError::internal(&error))?
}

async fn check(state: &ApiState, tenant: &Tenant, slot: Slot, staged: &ObjectPath) -> Result<(), ApiError> {
    let object_path = staged.as_str().to_owned();
    let question = CheckModel { tenant: tenant.name.clone(), object_path, slot: Some(slot) };
    state.inference.check_model(question).await.map(drop).map_err(refused_by_check)
}

/// A file that kills or starves the process that tries it is refused like any other that cannot be served.
fn refused_by_check(error: MlError) -> ApiError {
    match error.code {
        ErrorCode::Crashed => ApiError::new(ErrorCode::InvalidModel, "the model crashed the process that tried it"),
        ErrorCode::OutOfMemory => {
            ApiError::new(ErrorCode::InvalidModel, "the model needs more memory than it may have")
        }
        ErrorCode::RunFailed => MlError::new(ErrorCode::InvalidModel, error.detail).into(),
        _ => error.into(),
    }
}

/// Moves a checked file to where it will be looked for, and tells everyone.
async fn install(
    state: ApiState,
    tenant: Arc<Tenant>,
    staged: StagedModel,
    change: SlotChange,
) -> Result<SlotRecord, ApiError> {
    let (slot, action, actor) = (change.slot, change.action, change.actor.clone());
    staged.move_to(&state, &model_path(&tenant.name, slot)?).await?;
    let record = state.stores.slots.record_slot(tenant.id, change, state.now()).await;
    replaced(&state, &tenant, slot).await;
    let record = record?;
    let (generation, sha256) = (record.generation, record.sha256.as_str());
    tracing::info!(%slot, generation, sha256, action = action.as_str(), actor, "slot serves another model");
    keep(&state, &tenant.name, &record).await;
    Ok(record)
}

/// Where a generation of a slot is kept.
pub fn kept_path(tenant: &TenantSlug, slot: Slot, generation: i64) -> Result<ObjectPath, ApiError> {
    let path = format!("models/{tenant}/kept/{slot}/{generation}.onnx");
    ObjectPath::of_tenant(tenant, &path).map_err(|error| ApiError::internal(&error))
}

/// Forgets all kept copies of a slot, as its owner empties it.
pub async fn drop_kept(state: &ApiState, tenant: &TenantSlug, slot: Slot) -> Result<(), ApiError> {
    let folder = ObjectPath::of_tenant(tenant, &format!("models/{tenant}/kept/{slot}"));
    let folder = folder.map_err(|error| ApiError::internal(&error))?;
    for (path, _) in state.blobs.list(&folder, MAX_KEPT).await? {
        state.blobs.delete(&path).await?;
    }
    Ok(())
}

/// Keeps a copy for a rollback and drops the one that is too old; without it there is no rollback, which is no reason to
/// refuse the model.
async fn keep(state: &ApiState, tenant: &TenantSlug, record: &SlotRecord) {
    if let Err(error) = try_to_keep(state, tenant, record).await {
        tracing::warn!(slot = %record.slot, generation = record.generation, code = %error.code(), "the slot's model could not be kept for a rollback");
    }
}

async fn try_to_keep(state: &ApiState, tenant: &TenantSlug, record: &SlotRecord) -> Result<(), ApiError> {
    let copy = StagedModel::copy_of(state, tenant, &model_path(tenant, record.slot)?).await?;
    if copy.stored.sha256 == record.sha256 {
        copy.move_to(state, &kept_path(tenant, record.slot, record.generation)?).await?;
    } else {
        // Somebody has put another model there by now, and keeps that one.
        copy.discard().await;
    }
    let too_old = record.generation - KEPT_GENERATIONS;
    if too_old > 0 {
        state.blobs.delete(&kept_path(tenant, record.slot, too_old)?).await?;
    }
    Ok(())
}
