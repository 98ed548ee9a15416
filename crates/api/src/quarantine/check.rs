//! Refusing what is in quarantine.

use ortolan_domain::task::TaskInput;
use ortolan_domain::{ErrorCode, TaskType, TenantId};

use crate::error::ApiError;
use crate::state::ApiState;

/// Refuses a task whose input crashed the model that its slot holds too often; names both.
pub async fn refuse_quarantined(
    state: &ApiState,
    tenant: TenantId,
    kind: TaskType,
    input: Option<&TaskInput>,
) -> Result<(), ApiError> {
    let (Some(slot), Some(input)) = (kind.slot(), input) else { return Ok(()) };
    match state.stores.quarantine.quarantined_in_slot(tenant, slot, &input.sha256).await? {
        Some(record) => Err(ApiError::new(ErrorCode::Quarantined, record.explain())),
        None => Ok(()),
    }
}
