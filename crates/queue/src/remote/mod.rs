//! The queue between processes, over apalis-redis, used in the one way in which it holds.
//!
//! apalis-redis 1.0 is taken as a carrier of hints with at-least-once delivery, and what is known to break is kept out:
//! no job fetched that cannot be handed over at once, no locking of tasks, no events, no layers, no monitor, a codec that cannot fail, a name per worker
//! that is never used twice, a poll strategy that cannot go to sleep, a backlog that is never promoted at once, and a
//! cleaner, as nothing that is finished ever leaves by itself. `tests/remote` holds a probe for each of these.

mod connection;
mod poll;
mod push;
mod queue;
mod scripts;
mod wake;

pub use connection::{RedisConnection, RedisSettings};
pub(crate) use queue::RedisQueue;

/// How many jobs go into one request; Redis answers nobody else meanwhile.
const BATCH: usize = 500;
