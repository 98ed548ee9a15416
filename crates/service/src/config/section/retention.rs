use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::value;

/// How long rows are kept.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionConfig {
    /// Ended tasks and jobs.
    #[serde(rename = "job_retention_days", with = "value::days")]
    pub jobs: Duration,
    /// Idempotency keys.
    #[serde(rename = "idempotency_hours", with = "value::hours")]
    pub idempotency: Duration,
}
