use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::value;

/// The reconciler.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReconcileConfig {
    /// Time between two runs.
    #[serde(rename = "interval_s", with = "value::seconds")]
    pub interval: Duration,
    /// A task that runs for longer is reported.
    #[serde(rename = "long_running_s", with = "value::seconds")]
    pub long_running: Duration,
    /// An object that no row names is deleted when it is older.
    #[serde(rename = "orphan_grace_hours", with = "value::hours")]
    pub orphan_grace: Duration,
}
