use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::value;

/// Caches of models' metadata and of predictions.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheConfig {
    /// Begin of every key.
    pub key_prefix: String,
    /// How long a value is kept that has no time of its own.
    #[serde(rename = "ttl_s", with = "value::seconds")]
    pub ttl: Duration,
    /// How long a model's metadata is kept.
    #[serde(rename = "model_ttl_s", with = "value::seconds")]
    pub model_ttl: Duration,
    /// How long a list of models is kept.
    #[serde(rename = "model_list_ttl_s", with = "value::seconds")]
    pub model_list_ttl: Duration,
    /// Keeps predictions.
    pub prediction_enabled: bool,
    /// How long a prediction is kept.
    #[serde(rename = "prediction_ttl_s", with = "value::seconds")]
    pub prediction_ttl: Duration,
}
