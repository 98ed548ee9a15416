//! The port of who is there: which process leads where only one should act, and which processes live.
//!
//! Nothing rests on either: two leaders do no harm, as every repair is guarded, and a process that is not listed works all
//! the same.

use std::time::Duration;

use async_trait::async_trait;
use ortolan_domain::Timestamp;

use crate::StoreError;

/// What a process says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessRecord {
    /// A name that no other incarnation of any process has.
    pub id: String,
    /// Its service, for instance `worker`.
    pub service: String,
    /// The name of its machine or container.
    pub host: String,
    /// The queues that it takes from, separated by commas.
    pub queues: String,
    /// What it has under way.
    pub running: u64,
    /// When it started.
    pub started_at: Timestamp,
    /// When it was heard of last.
    pub seen_at: Timestamp,
}

/// Leases of leaders, and the register of processes.
#[async_trait]
pub trait ProcessStore: Send + Sync {
    /// Takes the lease `name` for `holder`, or renews it, until `now` plus `lasts`; false while another one holds it.
    async fn lead(&self, name: &str, holder: &str, now: Timestamp, lasts: Duration) -> Result<bool, StoreError>;

    /// Gives the lease up, if `holder` has it.
    async fn resign(&self, name: &str, holder: &str) -> Result<(), StoreError>;

    /// Enters a process in the register, or says that it is still there.
    async fn report_process(&self, process: &ProcessRecord) -> Result<(), StoreError>;

    /// Strikes a process off the register, as it ends.
    async fn strike_process(&self, id: &str) -> Result<(), StoreError>;

    /// Processes that were heard of at or after `since`, the latest first, at most `limit`.
    async fn processes(&self, since: Timestamp, limit: u32) -> Result<Vec<ProcessRecord>, StoreError>;

    /// Strikes off the register what was heard of before `before` last; returns how many.
    async fn strike_silent_processes(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;
}
