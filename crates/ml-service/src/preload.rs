//! Models that are loaded and verified at the start, before the first job asks for them.

use std::sync::PoisonError;

use ortolan_domain::job::MlError;
use ortolan_domain::model::ModelRef;
use ortolan_runner::CallContext;

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
    pub async fn preload(&self, list: &[ModelRef], strict: bool) -> Result<(), PreloadError> {
        let mut loaded = Vec::with_capacity(list.len());
        for model in list {
            let entry = model.to_string();
            let Err(error) = self.load(model).await else {
                loaded.push(model);
                continue;
            };
            if strict {
                return Err(PreloadError::Model { key: entry, reason: error.detail });
            }
            tracing::warn!(tenant_id = %model.tenant, model_type = %model.name, reason = error.detail, "model could not be preloaded");
            self.0.preload_failures.lock().unwrap_or_else(PoisonError::into_inner).insert(entry, error.detail);
        }
        tell(list, &loaded);
        Ok(())
    }

    async fn load(&self, model: &ModelRef) -> Result<(), MlError> {
        let (key, copy) = (self.key(model.clone()), self.model(model).await?);
        let loaded = self.0.pool.preload(&key, copy, CallContext::default()).await;
        loaded.map(drop).map_err(|error| convert::error(&error))
    }
}

/// Lists what is there when the service begins to answer.
fn tell(wanted: &[ModelRef], loaded: &[&ModelRef]) {
    if wanted.is_empty() {
        tracing::info!("no models are listed to be loaded at start; each is loaded when it is first asked");
        return;
    }
    tracing::info!(
        models = loaded.len(),
        listed = wanted.len(),
        "Model registry initialized with {} models",
        loaded.len()
    );
    tracing::info!("Available models:");
    for model in loaded {
        tracing::info!(tenant_id = %model.tenant, model_type = %model.name, "{model} ({})", model.name);
    }
}
