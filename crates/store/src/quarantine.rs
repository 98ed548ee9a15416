//! The port of the quarantine: pairs of a model's file and an input that crashed the process that ran them.

use async_trait::async_trait;
use ortolan_domain::{Slot, TenantId, Timestamp};
use uuid::Uuid;

use crate::{Page, StoreError};

/// How many crashes put a pair into quarantine.
pub const QUARANTINE_CRASHES: i64 = 3;

/// A model's file and an input, by their digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrashPair {
    /// SHA-256 of the model's file in hexadecimal.
    pub model_sha256: String,
    /// SHA-256 of the input in hexadecimal.
    pub input_hash: String,
}

/// What is known of a pair that crashed.
#[derive(Debug, Clone, PartialEq)]
pub struct CrashRecord {
    /// Its id.
    pub id: Uuid,
    /// The pair.
    pub pair: CrashPair,
    /// What the model was called when it crashed last, for people: a slot or a version's id.
    pub model: String,
    /// How often it crashed.
    pub crashes: i64,
    /// When it crashed first.
    pub first_at: Timestamp,
    /// When it crashed last.
    pub last_at: Timestamp,
}

impl CrashRecord {
    /// What its owner should know, in our words.
    pub fn explain(&self) -> String {
        let CrashPair { model_sha256, input_hash } = &self.pair;
        format!(
            "model {} (sha256 {model_sha256}) and input {input_hash} crashed the model's process {} times and are not run \
             together again: use another version of the model, or ask an operator to lift quarantine {}",
            self.model, self.crashes, self.id
        )
    }

    /// True when the pair is not run any more.
    pub const fn is_quarantined(&self) -> bool {
        self.crashes >= QUARANTINE_CRASHES
    }
}

/// Pairs that crashed, each tenant's by itself: one tenant never learns that another has the same file.
#[async_trait]
pub trait QuarantineStore: Send + Sync {
    /// Counts a crash of a pair.
    async fn record_crash(
        &self,
        tenant: TenantId,
        pair: &CrashPair,
        model: &str,
        now: Timestamp,
    ) -> Result<CrashRecord, StoreError>;

    /// Counts a crash that ended a task's run. Runs of one pair that a single death of their process ended count once.
    async fn record_run_crash(
        &self,
        tenant: TenantId,
        pair: &CrashPair,
        model: &str,
        now: Timestamp,
    ) -> Result<CrashRecord, StoreError>;

    /// The record of an input with what the slot is recorded to hold, if that pair is in quarantine.
    async fn quarantined_in_slot(
        &self,
        tenant: TenantId,
        slot: Slot,
        input_hash: &str,
    ) -> Result<Option<CrashRecord>, StoreError>;

    /// True when this file is in quarantine with some input.
    async fn has_quarantined(&self, tenant: TenantId, model_sha256: &str) -> Result<bool, StoreError>;

    /// The pair's record, if it is in quarantine.
    async fn quarantined(&self, tenant: TenantId, pair: &CrashPair) -> Result<Option<CrashRecord>, StoreError>;

    /// The pairs in quarantine, the latest first.
    async fn quarantine(&self, tenant: TenantId, limit: u32, offset: u64) -> Result<Page<CrashRecord>, StoreError>;

    /// Lets a pair run again; false when there is none with this id in quarantine.
    async fn lift_quarantine(&self, tenant: TenantId, id: Uuid) -> Result<bool, StoreError>;

    /// Lets all pairs run again; returns how many.
    async fn lift_all_quarantine(&self, tenant: TenantId) -> Result<u64, StoreError>;

    /// Forgets pairs that crashed last before `last_before`, quarantined ones included: whoever brings one back finds out
    /// again. Returns how many.
    async fn forget_crashes(&self, last_before: Timestamp, limit: u32) -> Result<u64, StoreError>;
}
