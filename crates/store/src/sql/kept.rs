//! A connection that is kept from one use to the next. Giving one back to the pool costs a question to the server.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Database, Pool};
use tokio::sync::mpsc;

/// How many uses in a row one connection has while there is always more to do; then others that wait for the pool have their turn.
const USES_IN_A_ROW: u32 = 32;
/// How long a connection is kept that is not used. Shorter than what a pooled connection is trusted for.
const PATIENCE: Duration = Duration::from_millis(100);

/// A connection of a pool, kept while it is used.
pub(in super::super) struct Kept<DB: Database> {
    pool: Pool<DB>,
    held: Option<PoolConnection<DB>>,
    uses: u32,
}

impl<DB: Database> Kept<DB> {
    pub(in super::super) fn new(pool: Pool<DB>) -> Self {
        Self { pool, held: None, uses: 0 }
    }

    /// The connection for the next use.
    pub(in super::super) async fn connection(&mut self) -> Result<&mut DB::Connection, sqlx::Error> {
        let held = match self.held.take() {
            Some(held) => held,
            None => self.pool.acquire().await?,
        };
        Ok(self.held.insert(held))
    }

    /// Told after each use: gives the connection back when it is another's turn, or when few are left and there is nothing more to do.
    pub(in super::super) fn used(&mut self, more: bool) {
        self.uses += 1;
        if self.uses >= USES_IN_A_ROW || !(more || self.has_plenty()) {
            self.let_go();
        }
    }

    /// Gives the connection back.
    pub(in super::super) fn let_go(&mut self) {
        self.uses = 0;
        self.held = None;
    }

    /// Waits for what is to be done next, at most so many things, and gives the connection back when that takes long.
    pub(in super::super) async fn receive<T>(
        &mut self,
        inbox: &mut mpsc::Receiver<T>,
        things: &mut Vec<T>,
        most: usize,
    ) -> usize {
        if self.held.is_some() {
            match tokio::time::timeout(PATIENCE, inbox.recv_many(things, most)).await {
                Ok(count) => return count,
                Err(_) => self.let_go(),
            }
        }
        inbox.recv_many(things, most).await
    }

    /// True while no more than half of the pool is in use, by those who keep a connection or by others.
    fn has_plenty(&self) -> bool {
        let in_use = self.pool.size() as usize - self.pool.num_idle().min(self.pool.size() as usize);
        in_use * 2 <= self.pool.options().get_max_connections() as usize
    }
}
