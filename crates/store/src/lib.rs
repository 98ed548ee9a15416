//! The truth: tasks, artifacts, tenants, keys, media, models and slots, over PostgreSQL or SQLite.
//!
//! Flow: a caller holds [`Stores`], a bundle of ports. Each write is one guarded statement, or several in one
//! transaction; a write whose guard (id, attempt, owner, status) does not hold changes nothing and says so. After a
//! commit that moved tasks, the [`TaskObserver`] hears of it.
//!
//! Invariants: SQL stands once, portably, in `sql/`, mounted under `postgres` and `sqlite`; instants come from the
//! caller; nothing is read and then written back; no query per row where one statement serves many.

// Each dialect mounts the folder of SQL beside its own types.
#![allow(clippy::duplicate_mod)]

mod callbacks;
mod database;
mod error;
mod media;
mod migrations;
mod models;
mod postgres;
mod predictions;
mod processes;
mod quarantine;
mod slots;
mod sqlite;
mod statement;
mod tasks;
mod tenants;

pub use callbacks::{
    CallbackKind, CallbackStore, Delivery, DeliveryAttempt, DeliveryClaim, DeliveryKey, DeliveryOutcome,
    DeliveryStatus, NewCallback, WebhookSecret,
};
pub use database::{PostgresSettings, SqliteSettings, StoreFacts, Stores};
pub use error::StoreError;
pub use media::{MediaStore, NewMediaOutcome};
pub use models::{
    MAX_VERSIONS, ModelChanges, ModelFilter, ModelMoved, ModelSort, ModelStore, NewModelOutcome, Verdict,
};
pub use predictions::PredictionStore;
pub use processes::{ProcessRecord, ProcessStore};
pub use quarantine::{CrashPair, CrashRecord, QUARANTINE_CRASHES, QuarantineStore};
pub use slots::{SlotAction, SlotChange, SlotEvent, SlotFile, SlotRecord, SlotSource, SlotStore};
pub use tasks::{
    CancelOutcome, Claim, Completion, DeleteOutcome, DispatchLimits, EnqueueOutcome, Failure, Fate, Fence, Idempotency,
    Order, QueueDepth, RetryOutcome, SortBy, Submission, TaskChange, TaskFilter, TaskObserver, TaskStore,
};
pub use tenants::{KeyRecord, NewKey, NewKeyOutcome, NewTenantOutcome, Tenant, TenantStore};

/// One page of a longer list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows of this page.
    pub items: Vec<T>,
    /// How many rows there are in all.
    pub total: u64,
}
