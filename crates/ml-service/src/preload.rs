//! Models that are loaded and verified at the start, before the first job asks for them.

use std::sync::PoisonError;

use ortolan_domain::job::{MlError, SlotRef};
use ortolan_runner::{CallContext, ModelKey};

use crate::convert;
use crate::service::MlService;

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum PreloadError {
    /// A model that cannot be loaded.
    #[error("model {key} cannot be loaded: {reason}")]
    Model {
        /// The entry.
        key: String,
        /// Why, in our words.
        reason: String,
    },
}

impl MlService {
    /// Loads the listed models. With `strict` the first failure is an error; otherwise it is kept for
    /// health and the others go on.
    pub async fn preload(&self, list: &[SlotRef], strict: bool) -> Result<(), PreloadError> {
        for slot in list {
            let entry = format!("{}/{}", slot.tenant, slot.slot);
            let Err(error) = self.load(slot).await else {
                tracing::info!(tenant = %slot.tenant, model_type = %slot.slot, "model preloaded");
                continue;
            };
            if strict {
                return Err(PreloadError::Model { key: entry, reason: error.detail });
            }
            tracing::warn!(tenant = %slot.tenant, model_type = %slot.slot, reason = error.detail, "model could not be preloaded");
            self.0.preload_failures.lock().unwrap_or_else(PoisonError::into_inner).insert(entry, error.detail);
        }
        Ok(())
    }

    async fn load(&self, slot: &SlotRef) -> Result<(), MlError> {
        let model = self.model(slot).await?;
        let key = ModelKey { tenant: slot.tenant.clone(), slot: slot.slot, worker_id: self.0.settings.worker_id };
        let loaded = self.0.pool.preload(&key, model, CallContext::default()).await;
        loaded.map(drop).map_err(|error| convert::error(&error))
    }
}
