//! Refusing inputs that crashed their model too often.

use ortolan_domain::hash::hex;
use ortolan_domain::model::Model;
use ortolan_domain::tensor::digest;
use ortolan_store::{CrashPair, Tenant};
use serde_json::value::RawValue;

use crate::error::ApiError;
use crate::predict::{Wanted, read_inputs};
use crate::quarantine::refuse_quarantined_pair;
use crate::state::ApiState;

/// Refuses a job whose inputs crashed this version too often; names both. Only for a version that is in quarantine with some
/// inputs does the ML service have to say what they are; while it does not, the run itself finds out.
pub async fn refuse_quarantined_inputs(
    state: &ApiState,
    tenant: &Tenant,
    model: &Model,
    input_data: &RawValue,
) -> Result<(), ApiError> {
    let Some(file) = &model.file else { return Ok(()) };
    if !state.stores.quarantine.has_quarantined(tenant.id, &file.sha256).await? {
        return Ok(());
    }
    let Ok(target) = state.predictions.targets.find(state, tenant, Wanted::Id(model.id)).await else { return Ok(()) };
    // What cannot be read, or whose model is gone by now, never crashed anything: the job itself says what is wrong with it.
    let values = serde_json::from_str(input_data.get()).ok();
    let Some(mut inputs) = values.and_then(|values| read_inputs(&target, &values).ok()) else { return Ok(()) };
    let pair = CrashPair { model_sha256: file.sha256.clone(), input_hash: hex(&digest(&mut inputs)) };
    refuse_quarantined_pair(state, tenant.id, &pair).await
}
