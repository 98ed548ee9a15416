//! The store over SQLite: one connection writes, some others read.
//!
//! All writes go through one lane. Its transactions are committed without waiting for the disk (WAL, `synchronous =
//! NORMAL`); a write that must survive a power cut is answered after the WAL file was synced, which goes on beside the
//! next transaction. So a sync serves all commits before it, and claims and heartbeats never wait for the disk.

#[macro_use]
mod dialect;
mod committer;
#[cfg(test)]
mod plans;
#[path = "../sql/mod.rs"]
mod sql;
mod wal;

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Sqlite, SqlitePool};

use self::committer::Committer;
use self::sql::{Lane, Looks};
use crate::database::Database;
use crate::{SqliteSettings, StoreError, StoreFacts, TaskObserver, migrations};

/// How many prepared statements a connection keeps: each kind of statement in each of its sizes.
const STATEMENTS: usize = 256;

/// The store over SQLite.
pub(crate) struct Store {
    options: SqliteConnectOptions,
    readers: SqlitePool,
    lanes: Lanes,
    looks: Looks,
}

/// Opens the file and starts the writer.
pub(crate) async fn open(settings: SqliteSettings, observer: Arc<dyn TaskObserver>) -> Result<Store, StoreError> {
    if let Some(folder) = settings.path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| StoreError::Unavailable(sqlx::Error::Io(error)))?;
    }
    let options = SqliteConnectOptions::new()
        .filename(&settings.path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(settings.busy_timeout)
        .statement_cache_capacity(STATEMENTS)
        .row_buffer_size(1024)
        .pragma("cache_size", "-65536")
        .pragma("temp_store", "memory")
        .pragma("wal_autocheckpoint", "4000")
        .pragma("journal_size_limit", "67108864");
    let writer = options.connect().await?;
    let reading = options.clone().create_if_missing(false).read_only(true);
    let readers = SqlitePoolOptions::new().max_connections(settings.readers.max(1));
    // A file does not hang up, so nobody has to ask before each read.
    let readers = readers.test_before_acquire(false).connect_lazy_with(reading);
    let lane = Lane::start(Committer::new(writer, &settings.path, observer));
    let looks = Looks::start(readers.clone());
    Ok(Store { options, readers, lanes: Lanes(lane), looks })
}

impl Store {
    /// A connection to read on.
    async fn read(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        Ok(self.readers.acquire().await?)
    }
}

/// There is one lane for all writes.
struct Lanes(Lane);

impl Lanes {
    const fn submits(&self) -> &Lane {
        &self.0
    }

    const fn dispatches(&self) -> &Lane {
        &self.0
    }

    const fn claims(&self) -> &Lane {
        &self.0
    }

    const fn heartbeats(&self) -> &Lane {
        &self.0
    }

    const fn endings(&self) -> &Lane {
        &self.0
    }

    const fn steers(&self) -> &Lane {
        &self.0
    }

    const fn upkeep(&self) -> &Lane {
        &self.0
    }
}

#[async_trait]
impl Database for Store {
    async fn migrate(&self) -> Result<(), StoreError> {
        let mut connection = self.options.connect().await?;
        migrations::sqlite().run_direct(None, &mut connection, false).await?;
        Ok(connection.close().await?)
    }

    fn facts(&self) -> StoreFacts {
        StoreFacts {
            backend: "sqlite",
            connections: self.readers.size(),
            idle: u32::try_from(self.readers.num_idle()).unwrap_or(u32::MAX),
            waiting_writes: self.lanes.0.waiting(),
        }
    }

    async fn close(&self) {
        self.lanes.0.close().await;
        self.readers.close().await;
    }
}
