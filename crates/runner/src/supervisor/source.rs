//! Where a model's bytes come from.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use ortolan_domain::model::{ModelName, ModelRef};
use ortolan_domain::{Slot, TenantSlug};

/// The place of a model in the cache of loaded models.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelKey {
    /// Whose model it is, and which.
    pub model: ModelRef,
    /// Which worker; it also picks the GPU.
    pub worker_id: u32,
}

impl ModelKey {
    /// Whose model it is.
    pub fn tenant(&self) -> &TenantSlug {
        &self.model.tenant
    }

    /// The slot whose rules the model must keep to, unless it is one of the registry.
    pub fn slot(&self) -> Option<Slot> {
        match self.model.name {
            ModelName::Slot(slot) => Some(slot),
            ModelName::Version(_) => None,
        }
    }
}

impl fmt::Display for ModelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.model.name.cache_key(&self.model.tenant, self.worker_id))
    }
}

/// Why a model's bytes could not be had.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Gives a model's bytes, and knows beforehand which they are.
#[async_trait]
pub trait ModelSource: Send + Sync {
    /// SHA-256 of the bytes in lower-case hexadecimal; another one under the same key loads the model anew.
    fn sha256(&self) -> &str;

    /// How many bytes there are.
    fn size_bytes(&self) -> u64;

    /// Gets the bytes. Called only when the model is not loaded, and once however many calls wait for it.
    async fn fetch(&self) -> Result<Bytes, SourceError>;
}
