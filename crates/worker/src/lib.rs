//! The worker: takes deliveries from `gpu_jobs` and `cpu_jobs`, hands inference to `ml_jobs`, waits for
//! `ml_result:{task_id}:{attempt}` and turns it into artifacts in one transaction.
//!
//! Flow of a delivery: claim (zero rows means a stale delivery: forget it) -> hand over -> wait, woken by a signal or by
//! polling -> check every item -> complete, fail or try again later. Meanwhile one heartbeat extends all leases and learns
//! which are lost, and one look tells runs that the ML service has lost.
//!
//! Invariants: no HTTP; no result is stored without the lease; a lost lease stops the run and writes nothing; nothing is
//! stored of a result that has one bad item; a result key is deleted only after its task has moved.

pub mod assemble;
mod backoff;
mod crash;
mod handed_over;
mod leases;
mod outcome;
mod run;
mod settings;
mod steps;
mod worker;

pub use backoff::Backoff;
pub use settings::WorkerSettings;
pub use steps::{Awaited, Ending};
pub use worker::{Worker, WorkerError, WorkerParts};
