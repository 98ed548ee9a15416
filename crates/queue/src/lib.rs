//! The queues `gpu_jobs`, `cpu_jobs` and `ml_jobs`: deliveries over apalis, inside of one process or through Redis.
//!
//! Flow: dispatch (or a worker, for `ml_jobs`) pushes jobs under their ids; a consumer takes a place out of its slots,
//! fetches one job, hands both to its handler and acknowledges; a supervisor starts the next worker when one ends.
//!
//! Invariants: a queue is a hint and never the truth, so a delivery may come twice, and losing the broker's memory loses no
//! task. Retries, time limits, priorities and cancelling belong to the database; apalis' own are never used. No more
//! deliveries are out than a consumer has slots. Nothing that lies in a queue, readable or not, stops it.

mod deliver;
mod error;
mod memory;
mod payload;
mod queue;
mod queues;
mod remote;
mod supervise;

pub use deliver::Delivered;
pub use error::QueueError;
pub use queue::{Consumer, Job, JobQueue};
pub use queues::Queues;
pub use remote::{RedisConnection, RedisSettings};
