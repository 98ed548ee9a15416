use std::time::Duration;

use ortolan_domain::route::GpuMode;
use serde::{Deserialize, Serialize};

use crate::config::value;

/// Workers, and the rules for tries and time of a task.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerConfig {
    /// Which queues it takes from.
    pub gpu_mode: GpuMode,
    /// Tasks under way at once.
    pub concurrency: usize,
    /// How long a task may run in all.
    #[serde(rename = "job_timeout_s", with = "value::seconds")]
    pub job_timeout: Duration,
    /// How long a worker that is not heard of keeps its tasks.
    #[serde(rename = "lease_s", with = "value::seconds")]
    pub lease: Duration,
    /// Tries of a task that fails for a passing reason.
    pub max_tries: u32,
    /// Crashes after which a task is given up.
    pub max_crashes: u32,
    /// Pause before the second try; it doubles with each further one.
    #[serde(rename = "retry_base_s", with = "value::seconds")]
    pub retry_base: Duration,
    /// Longest pause between tries.
    #[serde(rename = "retry_cap_s", with = "value::seconds")]
    pub retry_cap: Duration,
    /// An inference job that takes longer is asked to stop.
    #[serde(rename = "soft_limit_s", with = "value::seconds")]
    pub soft_limit: Duration,
    /// An inference job that takes longer is stopped.
    #[serde(rename = "hard_limit_s", with = "value::seconds")]
    pub hard_limit: Duration,
}
