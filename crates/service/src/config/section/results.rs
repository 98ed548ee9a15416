use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::value;

/// Results of inference on their way to a worker.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultsConfig {
    /// How long a result waits to be fetched.
    #[serde(rename = "ttl_s", with = "value::seconds")]
    pub ttl: Duration,
    /// How long it is remembered that an inference ended.
    #[serde(rename = "done_ttl_s", with = "value::seconds")]
    pub done_ttl: Duration,
}
