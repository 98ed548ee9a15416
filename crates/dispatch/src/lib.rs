//! Moves pending tasks into the queues, as many as fit into a bounded window, fairly between tenants.
//!
//! Flow: a submit, an ended task or a tick wakes the loop of a queue; one guarded statement of the store moves rows from
//! `pending` to `queued`; their deliveries are pushed; what could not be pushed goes back to `pending`.
//!
//! Invariants: a row is `queued` before its delivery exists, so a claim never comes too early; a delivery that is lost
//! after that is taken back by the reconciler; any number of dispatchers may run at once.

mod dispatcher;
mod error;

pub use dispatcher::{Dispatcher, Enqueued};
pub use error::DispatchError;
pub use ortolan_store::DispatchLimits;
