//! What services tell each other beside the queues: results of inference, signals, cached values; inside of one process or
//! through Redis.
//!
//! Flow: the ML service takes an attempt ([`ResultStore::take_lock`]) and holds it while it works, puts its result and so wakes the worker that
//! waits; the worker commits the result to the database and deletes it here. [`Signals`] carry cancels, changes of tasks,
//! models and keys to whoever listens. [`Cache`] keeps answers and counts requests. [`Numbers`] gives each ML service its own.
//!
//! Invariants: nothing here is the truth, so all of it may vanish at any time; losing a signal costs time only; everything
//! ends by itself and is bounded; caches never make a request fail or wait long.

mod cache;
mod error;
mod expiring;
mod numbers;
mod redis;
mod results;
mod signals;
mod watchers;

pub use cache::Cache;
pub use error::ResultsError;
pub use numbers::{Number, Numbers};
pub use redis::{Hears, Redis, RedisSettings};
pub use results::{DONE_TTL, Expected, LOCK_TTL, RESULT_TTL, ResultStore, Waited};
pub use signals::{Signals, TaskSignal, TaskWatch};
