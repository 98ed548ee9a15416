//! Where a model's bytes come from.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use ortolan_domain::{Slot, TenantSlug, slot};

/// A place in the cache of loaded models.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelKey {
    /// Whose model it is.
    pub tenant: TenantSlug,
    /// Which of the tenant's slots.
    pub slot: Slot,
    /// Which worker; it also picks the GPU.
    pub worker_id: u32,
}

impl fmt::Display for ModelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&slot::cache_key(&self.tenant, self.slot, self.worker_id))
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
