use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{MaskedUrl, value};

/// Redis or Valkey. [`Config::redis_url`](crate::Config::redis_url) says whether it is used.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// Keeps caches and rate limits there; queues and results are there in any case.
    pub enabled: bool,
    /// Its address, when one is set.
    #[serde(with = "value::optional_text")]
    pub url: Option<MaskedUrl>,
    /// Connections of a process.
    pub max_connections: u32,
    /// How long to wait for a connection or an answer.
    #[serde(rename = "timeout_ms", with = "value::milliseconds")]
    pub timeout: Duration,
}
