//! What the lane does after a commit: light writes are answered at once, the others when the WAL file is on disk.

use std::path::Path;
use std::sync::Arc;

use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::mpsc::Receiver;

use super::sql::Batch;
use super::wal::WalSync;
use crate::{StoreError, TaskChange, TaskObserver};

/// Gives the lane its connection, and tells what was committed.
pub(super) struct Committer {
    connection: SqliteConnection,
    sync: WalSync,
    observer: Arc<dyn TaskObserver>,
}

impl Committer {
    pub(super) fn new(connection: SqliteConnection, database: &Path, observer: Arc<dyn TaskObserver>) -> Self {
        Self { connection, sync: WalSync::start(database), observer }
    }

    /// The one connection that writes.
    pub(super) async fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        Ok(&mut self.connection)
    }

    /// Told after each batch; there is nothing to give back.
    pub(super) fn done(&mut self, _: bool) {}

    /// Told when a batch failed; there is no other connection.
    pub(super) fn failed(&mut self) {}

    /// Waits for the next batch.
    pub(super) async fn receive<T>(&mut self, inbox: &mut Receiver<T>, waiting: &mut Vec<T>, most: usize) -> usize {
        inbox.recv_many(waiting, most).await
    }

    /// Tells the observer, then the callers. Other readers see the rows now, too: a power cut within the next
    /// milliseconds may take back what they saw, but nothing that a caller was promised.
    pub(super) async fn committed(&mut self, mut batch: Batch, changes: &[TaskChange]) {
        if !changes.is_empty() {
            self.observer.changed(changes);
        }
        if batch.answer_light() {
            self.sync.answer_when_synced(batch).await;
        }
    }

    /// Waits for the last sync, then closes the file; the other way round the WAL file would be gone.
    pub(super) async fn close(self) {
        self.sync.finish().await;
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the database file could not be closed well");
        }
    }
}
