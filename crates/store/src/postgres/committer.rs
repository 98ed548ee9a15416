//! What a lane does after a commit: PostgreSQL answers it only when it is on disk.

use std::ops::DerefMut;
use std::sync::Arc;

use sqlx::{PgConnection, PgPool};

use super::sql::Batch;
use crate::{StoreError, TaskChange, TaskObserver};

/// Gives a lane its connections, and tells what was committed.
pub(super) struct Committer {
    pool: PgPool,
    observer: Arc<dyn TaskObserver>,
}

impl Committer {
    pub(super) fn new(pool: PgPool, observer: Arc<dyn TaskObserver>) -> Self {
        Self { pool, observer }
    }

    /// A connection for one transaction.
    pub(super) async fn connection(&mut self) -> Result<impl DerefMut<Target = PgConnection> + Send, StoreError> {
        Ok(self.pool.acquire().await?)
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
