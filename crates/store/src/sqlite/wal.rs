//! Syncing the WAL file, on a thread of its own.
//!
//! Why this is as safe as `synchronous = FULL`: that level syncs the WAL file after each commit and before the commit is
//! answered; so do we, except that several commits share one sync and the next transaction does not wait for it. Under
//! `NORMAL`, SQLite itself keeps the other promises: it syncs the WAL before a checkpoint writes to the database file, and
//! the database file before the WAL is used anew. SQLite puts no locks on the WAL file, so opening and closing it here
//! loses none.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use tokio::sync::{mpsc, oneshot};

use super::sql::Batch;
use crate::StoreError;

/// How many committed batches may wait for a sync before the next transaction waits, too.
const MAX_WAITING: usize = 64;

/// The way to the thread that syncs.
pub(super) struct WalSync {
    committed: mpsc::Sender<Batch>,
    ended: oneshot::Receiver<()>,
}

impl WalSync {
    /// Starts the thread for the database file at `database`.
    pub(super) fn start(database: &Path) -> Self {
        let (committed, batches) = mpsc::channel(MAX_WAITING);
        let (end, ended) = oneshot::channel();
        let mut wal = OsString::from(database);
        wal.push("-wal");
        std::thread::spawn(move || {
            sync_and_answer(batches, &PathBuf::from(wal));
            let _ = end.send(());
        });
        Self { committed, ended }
    }

    /// Answers a committed batch when it is on disk.
    pub(super) async fn answer_when_synced(&self, batch: Batch) {
        if let Err(mpsc::error::SendError(batch)) = self.committed.send(batch).await {
            batch.refuse(StoreError::Closed);
        }
    }

    /// Waits until all batches are answered.
    pub(super) async fn finish(self) {
        drop(self.committed);
        let _ = self.ended.await;
    }
}

fn sync_and_answer(mut batches: mpsc::Receiver<Batch>, wal: &Path) {
    let mut waiting = Vec::new();
    while batches.blocking_recv_many(&mut waiting, MAX_WAITING) > 0 {
        match File::open(wal).and_then(|file| file.sync_data()) {
            Ok(()) => waiting.drain(..).for_each(Batch::answer),
            Err(error) => refuse(waiting.drain(..), &error),
        }
    }
}

fn refuse(batches: impl Iterator<Item = Batch>, error: &std::io::Error) {
    tracing::error!(%error, "the write-ahead log could not be synced");
    for batch in batches {
        let error = std::io::Error::new(error.kind(), error.to_string());
        batch.refuse(StoreError::Unavailable(sqlx::Error::Io(error)));
    }
}
