//! The reconciler behind the API's `POST /tasks/reconcile`.

use async_trait::async_trait;
use ortolan_reconciler::Reconciler;

use crate::{Reconcile, ReconcileStats};

/// A reconciler in the same process.
pub struct ByHand(pub Reconciler);

#[async_trait]
impl Reconcile for ByHand {
    async fn run_once(&self) -> ReconcileStats {
        let report = self.0.run_once().await;
        ReconcileStats {
            pending_checked: report.pending_checked,
            pending_reenqueued: report.pending_reenqueued,
            running_checked: report.running_checked,
            running_synced: report.running_synced,
            long_running_alerted: report.long_running_alerted,
            errors: report.errors,
        }
    }
}
