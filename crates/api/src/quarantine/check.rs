//! Refusing what is in quarantine.

use ortolan_domain::task::TaskInput;
use ortolan_domain::{ErrorCode, Slot, TenantId};
use ortolan_store::CrashPair;

use crate::error::ApiError;
use crate::state::ApiState;

/// Refuses a task whose input crashed the model of one of its slots too often; names both.
pub async fn refuse_quarantined(
    state: &ApiState,
    tenant: TenantId,
    slots: impl IntoIterator<Item = Slot>,
    input: Option<&TaskInput>,
) -> Result<(), ApiError> {
    let Some(input) = input else { return Ok(()) };
    for slot in slots {
        if let Some(record) = state.stores.quarantine.quarantined_in_slot(tenant, slot, &input.sha256).await? {
            return Err(ApiError::new(ErrorCode::Quarantined, record.explain()));
        }
    }
    Ok(())
}

/// Refuses inputs that crashed this file too often; names both.
pub async fn refuse_quarantined_pair(state: &ApiState, tenant: TenantId, pair: &CrashPair) -> Result<(), ApiError> {
    match state.stores.quarantine.quarantined(tenant, pair).await? {
        Some(record) => Err(ApiError::new(ErrorCode::Quarantined, record.explain())),
        None => Ok(()),
    }
}
