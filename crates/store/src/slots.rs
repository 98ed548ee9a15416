//! The port of what is known of each slot's object. The object itself, at its conventional path, is the truth: a model
//! that was put there by other means is served without a row here.

use async_trait::async_trait;
use ortolan_domain::{Slot, TenantId, Timestamp};

use crate::StoreError;

/// What was uploaded into a slot last.
#[derive(Debug, Clone, PartialEq)]
pub struct SlotRecord {
    /// Which slot.
    pub slot: Slot,
    /// Counts the uploads, from 1.
    pub generation: i64,
    /// SHA-256 of the file in hexadecimal.
    pub sha256: String,
    /// Size of the file.
    pub size_bytes: u64,
    /// When it was uploaded.
    pub updated_at: Timestamp,
}

/// What is known of each slot's object.
#[async_trait]
pub trait SlotStore: Send + Sync {
    /// Records an upload; the generation grows by one.
    async fn record_slot(
        &self,
        tenant: TenantId,
        slot: Slot,
        sha256: &str,
        size_bytes: u64,
        now: Timestamp,
    ) -> Result<SlotRecord, StoreError>;

    /// The tenant's slots.
    async fn slots(&self, tenant: TenantId) -> Result<Vec<SlotRecord>, StoreError>;

    /// Forgets a slot; false when nothing was known.
    async fn forget_slot(&self, tenant: TenantId, slot: Slot) -> Result<bool, StoreError>;
}
