//! What an operator can set.

use std::time::Duration;

use ortolan_domain::route::QueueName;

use crate::Backoff;

/// What an operator can set.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// The queues that this worker takes from.
    pub queues: Vec<QueueName>,
    /// Tasks that it runs at once, in each queue.
    pub concurrency: usize,
    /// How long a lease lasts without a heartbeat; a heartbeat is sent three times as often.
    pub lease: Duration,
    /// How long a run may take in all.
    pub job_timeout: Duration,
    /// After how long the ML service is to end a job.
    pub soft_limit: Duration,
    /// After how long a job is given up, whatever the ML service does.
    pub hard_limit: Duration,
    /// A task's tries before a transient failure is final.
    pub max_tries: i32,
    /// How long to wait between tries.
    pub backoff: Backoff,
    /// How long a stopping worker waits for its runs.
    pub drain: Duration,
}
