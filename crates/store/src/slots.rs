//! The port of what is known of each slot's object. The object itself, at its conventional path, is the truth: a model
//! that was put there by other means is served without a row here.

use async_trait::async_trait;
use ortolan_domain::model::{RegistryName, VersionLabel};
use ortolan_domain::{ModelId, Slot, TenantId, Timestamp};

use crate::{Page, StoreError};

/// What was uploaded into a slot last.
#[derive(Debug, Clone, PartialEq)]
pub struct SlotRecord {
    /// Which slot.
    pub slot: Slot,
    /// Counts what the slot served, from 1; it goes on counting after the slot was emptied.
    pub generation: i64,
    /// SHA-256 of the file in hexadecimal.
    pub sha256: String,
    /// Size of the file.
    pub size_bytes: u64,
    /// When it was uploaded.
    pub updated_at: Timestamp,
}

/// Why a slot serves something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotAction {
    /// A file was put straight into it.
    Upload,
    /// A version of the registry was copied into it.
    Promote,
    /// What it served before was put back.
    Rollback,
    /// It was emptied.
    Empty,
}

impl SlotAction {
    const ALL: [Self; 4] = [Self::Upload, Self::Promote, Self::Rollback, Self::Empty];

    /// The word used in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Promote => "promote",
            Self::Rollback => "rollback",
            Self::Empty => "empty",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }
}

/// The version of the registry that a file was copied from, as it was called then. It may be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotSource {
    /// Its id.
    pub model_id: ModelId,
    /// Its name.
    pub name: RegistryName,
    /// Its version.
    pub version: VersionLabel,
}

/// A file that a slot serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotFile {
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Its size.
    pub size_bytes: u64,
    /// Where it came from, if not straight from an upload.
    pub source: Option<SlotSource>,
}

/// A file that is put into a slot.
#[derive(Debug, Clone)]
pub struct SlotChange {
    /// Which slot.
    pub slot: Slot,
    /// Why.
    pub action: SlotAction,
    /// The file.
    pub file: SlotFile,
    /// Who does it, for people.
    pub actor: String,
}

/// A line of the ledger: from `at` on, until the next line, the slot served this.
#[derive(Debug, Clone, PartialEq)]
pub struct SlotEvent {
    /// Counts the lines of this slot, from 1.
    pub entry: i64,
    /// Why.
    pub action: SlotAction,
    /// The generation that began; `None` when the slot was emptied.
    pub generation: Option<i64>,
    /// What it served; `None` when the slot was emptied.
    pub file: Option<SlotFile>,
    /// Who did it.
    pub actor: String,
    /// When.
    pub at: Timestamp,
}

/// What is known of each slot's object.
#[async_trait]
pub trait SlotStore: Send + Sync {
    /// Records a file that was put into a slot, and writes the ledger; the generation grows by one.
    async fn record_slot(&self, tenant: TenantId, change: SlotChange, now: Timestamp)
    -> Result<SlotRecord, StoreError>;

    /// The tenant's slots.
    async fn slots(&self, tenant: TenantId) -> Result<Vec<SlotRecord>, StoreError>;

    /// What a slot served when, the latest first.
    async fn slot_history(
        &self,
        tenant: TenantId,
        slot: Slot,
        limit: u32,
        offset: u64,
    ) -> Result<Page<SlotEvent>, StoreError>;

    /// Forgets what a slot holds, and writes the ledger; false when nothing was known.
    async fn forget_slot(&self, tenant: TenantId, slot: Slot, actor: &str, now: Timestamp) -> Result<bool, StoreError>;
}
