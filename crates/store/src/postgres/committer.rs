//! What a lane does after a commit: PostgreSQL answers it only when it is on disk.

use std::sync::Arc;

use sqlx::{PgConnection, PgPool, Postgres};
use tokio::sync::mpsc::Receiver;

use super::sql::{Batch, Kept};
use crate::{StoreError, TaskChange, TaskObserver};

/// Gives a lane its connections, and tells what was committed.
pub(super) struct Committer {
    kept: Kept<Postgres>,
    observer: Arc<dyn TaskObserver>,
}

impl Committer {
    pub(super) fn new(pool: PgPool, observer: Arc<dyn TaskObserver>) -> Self {
        Self { kept: Kept::new(pool), observer }
    }

    /// The connection for the next batch.
    pub(super) async fn connection(&mut self) -> Result<&mut PgConnection, StoreError> {
        Ok(self.kept.connection().await?)
    }

    /// Told after each batch, and whether more of them wait.
    pub(super) fn done(&mut self, more: bool) {
        self.kept.used(more);
    }

    /// Told when a batch failed: the connection may be what is at fault, so the next one has another.
    pub(super) fn failed(&mut self) {
        self.kept.let_go();
    }

    /// Waits for the next batch.
    pub(super) async fn receive<T>(&mut self, inbox: &mut Receiver<T>, waiting: &mut Vec<T>, most: usize) -> usize {
        self.kept.receive(inbox, waiting, most).await
    }

    /// Tells the observer, then the callers.
    pub(super) async fn committed(&mut self, batch: Batch, changes: &[TaskChange]) {
        if !changes.is_empty() {
            self.observer.changed(changes);
        }
        batch.answer();
    }

    /// Nothing to do: the pool outlives its lanes.
    pub(super) async fn close(self) {}
}
