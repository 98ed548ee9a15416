//! The truth: tasks, artifacts, tenants, keys, media and slots, over PostgreSQL or SQLite.
//!
//! Flow: a caller holds [`Stores`], a bundle of ports. Each write is one guarded statement, or several in one
//! transaction; a write whose guard (id, attempt, owner, status) does not hold changes nothing and says so. After a
//! commit that moved tasks, the [`TaskObserver`] hears of it.
//!
//! Invariants: SQL stands once, portably, in `sql/`, mounted under `postgres` and `sqlite`; instants come from the
//! caller; nothing is read and then written back; no query per row where one statement serves many.

mod error;
mod media;
mod slots;
mod tasks;
mod tenants;

pub use error::StoreError;
pub use media::{MediaStore, NewMediaOutcome};
pub use slots::{SlotRecord, SlotStore};
pub use tasks::{
    CancelOutcome, Claim, Completion, DispatchLimits, EnqueueOutcome, Failure, Fate, Fence, Idempotency, LostLease,
    Order, QueueDepth, RetryOutcome, SortBy, Submission, TaskChange, TaskFilter, TaskObserver, TaskStore,
};
pub use tenants::{KeyRecord, NewKey, Tenant, TenantStore};

use std::sync::Arc;

/// One page of a longer list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows of this page.
    pub items: Vec<T>,
    /// How many rows there are in all.
    pub total: u64,
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
}
