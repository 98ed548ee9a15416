//! Where a model's bytes come from.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use ortolan_domain::{Slot, TenantSlug, slot};

/// The place of a slot's model in the cache of loaded models.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelKey {
    /// Whose model it is.
    pub tenant: TenantSlug,
    /// Which of the tenant's slots.
    pub slot: Slot,
    /// Which worker; it also picks the GPU.
    pub worker_id: u32,
}

/// The place of a model that takes plain tensors in the cache of loaded models.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TensorModelKey {
    /// Whose model it is.
    pub tenant: TenantSlug,
    /// Which of the tenant's models; a word of the caller's choice.
    pub model: String,
    /// Which worker; it also picks the GPU.
    pub worker_id: u32,
}

/// Any place in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CacheKey {
    pub(super) tenant: TenantSlug,
    pub(super) worker_id: u32,
    pub(super) name: ModelName,
}

/// What a model is called within its tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum ModelName {
    Slot(Slot),
    Tensors(String),
}

impl CacheKey {
    pub(super) fn slot(&self) -> Option<Slot> {
        match self.name {
            ModelName::Slot(slot) => Some(slot),
            ModelName::Tensors(_) => None,
        }
    }
}

impl From<&ModelKey> for CacheKey {
    fn from(key: &ModelKey) -> Self {
        Self { tenant: key.tenant.clone(), worker_id: key.worker_id, name: ModelName::Slot(key.slot) }
    }
}

impl From<&TensorModelKey> for CacheKey {
    fn from(key: &TensorModelKey) -> Self {
        Self { tenant: key.tenant.clone(), worker_id: key.worker_id, name: ModelName::Tensors(key.model.clone()) }
    }
}

impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            ModelName::Slot(slot) => f.write_str(&slot::cache_key(&self.tenant, *slot, self.worker_id)),
            ModelName::Tensors(model) => write!(f, "{}_{model}_worker_{}", self.tenant, self.worker_id),
        }
    }
}

impl fmt::Display for ModelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        CacheKey::from(self).fmt(f)
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
