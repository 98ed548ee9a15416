//! What a pass found and did.

use serde::Serialize;

/// What a pass found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReconcileReport {
    /// Rows that waited for a worker when the pass began, in the database or in a queue.
    pub pending_checked: u64,
    /// Rows that the pass sent to their queues, those whose deliveries had been lost among them.
    pub pending_reenqueued: u64,
    /// Rows that were running.
    pub running_checked: u64,
    /// Running rows whose lease had run out and that were moved on.
    pub running_synced: u64,
    /// Rows that have been running for long.
    pub long_running_alerted: u64,
    /// Invariants that do not hold; they are told of in the log.
    pub violations: u64,
    /// Rows that were not started in time and failed.
    pub expired: u64,
    /// Ended rows that were deleted, as their time was up.
    pub ended_deleted: u64,
    /// Records of predictions that were deleted, as their time was up.
    pub predictions_deleted: u64,
    /// Idempotency keys that were forgotten.
    pub idempotency_keys_forgotten: u64,
    /// Crashes that were forgotten, as their time was up.
    pub crashes_forgotten: u64,
    /// Results that no run waited for and that were removed.
    pub results_removed: u64,
    /// What was removed from the broker.
    pub broker_entries_removed: u64,
    /// Objects that belonged to nothing and were deleted.
    pub orphan_blobs_removed: u64,
    /// Steps that failed, in our words.
    pub errors: Vec<String>,
}

impl ReconcileReport {
    /// True when nothing was changed and nothing failed.
    pub fn is_quiet(&self) -> bool {
        let repairs = [
            self.pending_reenqueued,
            self.running_synced,
            self.long_running_alerted,
            self.violations,
            self.expired,
            self.ended_deleted,
            self.predictions_deleted,
            self.idempotency_keys_forgotten,
            self.crashes_forgotten,
            self.results_removed,
            self.broker_entries_removed,
            self.orphan_blobs_removed,
        ];
        repairs.iter().all(|&count| count == 0) && self.errors.is_empty()
    }
}
