//! `DELETE /slots/{type}`.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use ortolan_domain::Slot;
use ortolan_store::Tenant;

use super::install::drop_kept;
use super::{model_path, replaced};
use crate::auth::{Access, AdminAccess};
use crate::error::ApiError;
use crate::extract::SlotPath;
use crate::openapi::{refusals, words};
use crate::state::ApiState;

refusals!(DeleteRefusals: NotFound, Invalid);

/// Empties a slot
///
/// Runs under way end on the model they began with. Needs scope `admin`.
#[utoipa::path(
    delete, path = "/slots/{type}", tag = "slots",
    params(("type" = words::SlotName, Path)),
    responses((status = 204, description = "The slot is empty."), DeleteRefusals),
)]
pub async fn delete_slot(
    State(state): State<ApiState>,
    Access { tenant, caller, .. }: AdminAccess,
    SlotPath(slot): SlotPath,
) -> Result<StatusCode, ApiError> {
    // A client that leaves in the middle must not leave a model loaded that is gone.
    tokio::spawn(empty(state, tenant, slot, caller.name().to_owned()))
        .await
        .map_err(|error| ApiError::internal(&error))?
}

async fn empty(state: ApiState, tenant: Arc<Tenant>, slot: Slot, actor: String) -> Result<StatusCode, ApiError> {
    let path = model_path(&tenant.name, slot)?;
    if state.blobs.facts(&path).await?.is_none() {
        return Err(ApiError::not_found("model"));
    }
    state.blobs.delete(&path).await?;
    drop_kept(&state, &tenant.name, slot).await?;
    let forgotten = state.stores.slots.forget_slot(tenant.id, slot, &actor, state.now()).await;
    replaced(&state, &tenant, slot).await;
    forgotten?;
    Ok(StatusCode::NO_CONTENT)
}
