//! Opening a database: its settings, and the bundle of ports that comes of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{
    CallbackStore, MediaStore, ModelStore, PredictionStore, ProcessStore, QuarantineStore, SlotStore, StoreError,
    TaskObserver, TaskStore, TenantStore, postgres, sqlite,
};

/// Where the SQLite file lies and how it is used.
#[derive(Debug, Clone)]
pub struct SqliteSettings {
    /// The database file; it and its folder are made when missing. Two more files, `-wal` and `-shm`, lie beside it.
    pub path: PathBuf,
    /// How many connections read; one more writes.
    pub readers: u32,
    /// How long a write waits for another process to let go of the file.
    pub busy_timeout: Duration,
}

impl SqliteSettings {
    /// The usual settings for the file at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), readers: 4, busy_timeout: Duration::from_secs(5) }
    }
}

/// Where PostgreSQL is and how it is used.
#[derive(Clone)]
pub struct PostgresSettings {
    /// `postgres://user:password@host:port/database`; it holds a password, so these settings have no `Debug`.
    pub url: String,
    /// The most connections that are held at a time.
    pub max_connections: u32,
    /// How long a caller waits for a free connection before the database counts as unavailable.
    pub acquire_timeout: Duration,
}

impl PostgresSettings {
    /// The usual settings for the database at `url`.
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), max_connections: 16, acquire_timeout: Duration::from_secs(5) }
    }
}

/// What health checks and metrics want to know about the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreFacts {
    /// `sqlite` or `postgres`.
    pub backend: &'static str,
    /// Open connections, the writer's not counted.
    pub connections: u32,
    /// Those of them that nobody uses.
    pub idle: u32,
    /// Writes that wait for their turn.
    pub waiting_writes: usize,
}

/// What a database offers besides its ports.
#[async_trait]
pub(crate) trait Database: Send + Sync {
    async fn migrate(&self) -> Result<(), StoreError>;
    fn facts(&self) -> StoreFacts;
    async fn close(&self);
}

/// All ports of the store. Cheap to clone.
#[derive(Clone)]
pub struct Stores {
    /// Tasks and their artifacts.
    pub tasks: Arc<dyn TaskStore>,
    /// Tenants and their keys.
    pub tenants: Arc<dyn TenantStore>,
    /// Media objects.
    pub media: Arc<dyn MediaStore>,
    /// What is known of each slot's object.
    pub slots: Arc<dyn SlotStore>,
    /// Who leads, and who lives.
    pub processes: Arc<dyn ProcessStore>,
    /// The registry of models.
    pub models: Arc<dyn ModelStore>,
    /// Pairs of model and input that crashed.
    pub quarantine: Arc<dyn QuarantineStore>,
    /// Records of predictions.
    pub predictions: Arc<dyn PredictionStore>,
    /// What is done after tasks have ended.
    pub callbacks: Arc<dyn CallbackStore>,
    database: Arc<dyn Database>,
}

impl Stores {
    /// Opens a SQLite file; [`Stores::migrate`] must have been called once before anything else works.
    pub async fn sqlite(settings: SqliteSettings, observer: Arc<dyn TaskObserver>) -> Result<Self, StoreError> {
        Ok(Self::over(Arc::new(sqlite::open(settings, observer).await?)))
    }

    /// Opens a PostgreSQL database, which must answer; [`Stores::migrate`] must have been called once before anything
    /// else works.
    pub async fn postgres(settings: PostgresSettings, observer: Arc<dyn TaskObserver>) -> Result<Self, StoreError> {
        Ok(Self::over(Arc::new(postgres::open(settings, observer).await?)))
    }

    fn over<S>(store: Arc<S>) -> Self
    where
        S: TaskStore
            + TenantStore
            + MediaStore
            + SlotStore
            + ModelStore
            + QuarantineStore
            + ProcessStore
            + PredictionStore
            + CallbackStore
            + Database
            + 'static,
    {
        Self {
            tasks: store.clone(),
            tenants: store.clone(),
            media: store.clone(),
            slots: store.clone(),
            processes: store.clone(),
            models: store.clone(),
            quarantine: store.clone(),
            predictions: store.clone(),
            callbacks: store.clone(),
            database: store,
        }
    }

    /// Brings the schema up to date; does nothing when it is. Several processes may call it at the same time.
    /// [`StoreError::NewerDatabase`] when a later release has been at work here.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.database.migrate().await
    }

    /// Facts for health checks and metrics; asks nothing of the database.
    pub fn facts(&self) -> StoreFacts {
        self.database.facts()
    }

    /// Waits for the writes under way and closes all connections; later calls answer [`StoreError::Closed`].
    pub async fn close(&self) {
        self.database.close().await;
    }
}
