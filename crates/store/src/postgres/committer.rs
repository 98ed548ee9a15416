//! What a lane does after a commit: PostgreSQL answers it only when it is on disk.

use std::sync::Arc;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};

use super::sql::Batch;
use crate::{StoreError, TaskChange, TaskObserver};

/// How many batches in a row a busy lane does on one connection; then others that wait for the pool have their turn.
const BATCHES_IN_A_ROW: u32 = 32;

/// Gives a lane its connections, and tells what was committed.
pub(super) struct Committer {
    pool: PgPool,
    /// Kept from batch to batch while there are more: giving it back to the pool costs a question to the server.
    held: Option<PoolConnection<Postgres>>,
    batches: u32,
    observer: Arc<dyn TaskObserver>,
}

impl Committer {
    pub(super) fn new(pool: PgPool, observer: Arc<dyn TaskObserver>) -> Self {
        Self { pool, held: None, batches: 0, observer }
    }

    /// The connection for the next batch.
    pub(super) async fn connection(&mut self) -> Result<&mut PgConnection, StoreError> {
        let held = match self.held.take() {
            Some(held) => held,
            None => self.pool.acquire().await?,
        };
        Ok(self.held.insert(held))
    }

    /// Told after each batch: gives the connection back unless more batches wait and it may serve them.
    pub(super) fn done(&mut self, more: bool) {
        self.batches += 1;
        if !more || self.batches >= BATCHES_IN_A_ROW {
            self.batches = 0;
            self.held = None;
        }
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
