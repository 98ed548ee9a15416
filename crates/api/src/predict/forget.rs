//! Dropping the answers of a model that changed.

use ortolan_domain::model::{ModelName, ModelRef};
use ortolan_service::telemetry::metrics::cache_dropped;
use ortolan_store::Tenant;

use crate::state::ApiState;

/// The model's part in the keys of its kept answers.
pub fn cache_id(model: &ModelRef) -> String {
    match model.name {
        ModelName::Version(id) => id.to_string(),
        ModelName::Slot(slot) => format!("{}/{slot}", model.tenant),
    }
}

impl ApiState {
    /// Drops what is kept of a model's answers. What is still being run may be kept after that: it names the file that gave it,
    /// so that it is never taken for the answer of another.
    pub(crate) async fn drop_answers(&self, tenant: &Tenant, model: &ModelRef) {
        let dropped = self.cache.delete_prefix(&format!("prediction:{}:", cache_id(model))).await;
        self.predictions.metrics.dropped(tenant.id, dropped);
        cache_dropped("prediction", dropped);
        if dropped > 0 {
            tracing::debug!(tenant_id = %tenant.name, model = %model.name, dropped, "predictions dropped from the cache");
        }
    }
}
