//! The port behind `POST /tasks/reconcile`.

use async_trait::async_trait;
use serde::Serialize;
use utoipa::ToSchema;

/// What one pass of the reconciler did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReconcileStats {
    /// Pending and queued tasks that were compared with the queues.
    pub pending_checked: u64,
    /// Those whose delivery is on its way now: for the first time, again after a pause, or anew because it had been lost.
    pub pending_reenqueued: u64,
    /// Running tasks that were compared with their leases.
    pub running_checked: u64,
    /// Those whose lease had run out.
    pub running_synced: u64,
    /// Tasks that have been running for very long; they are reported, never ended.
    pub long_running_alerted: u64,
    /// Steps that failed, in our words. Told to operators only.
    pub errors: Vec<String>,
}

/// One pass of the reconciler, started by hand.
#[async_trait]
pub trait Reconcile: Send + Sync {
    /// Compares tasks with queues and results and repairs what differs. A step that fails is named in the result and does
    /// not keep the others from being taken.
    async fn run_once(&self) -> ReconcileStats;
}
