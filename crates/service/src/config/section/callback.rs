use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{MaskedUrl, value};

/// What is told of the end of tasks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackConfig {
    /// The receiver's address; none when absent.
    #[serde(with = "value::optional_text")]
    pub backend_url: Option<MaskedUrl>,
    /// Tenants may name receivers of webhooks.
    pub webhooks: bool,
    /// How long a receiver may take.
    #[serde(rename = "timeout_s", with = "value::seconds")]
    pub timeout: Duration,
    /// Tries after which a delivery is given up.
    pub max_attempts: u32,
    /// Pause before the second try; it doubles with each further one.
    #[serde(rename = "retry_base_s", with = "value::seconds")]
    pub retry_base: Duration,
    /// Longest pause between tries.
    #[serde(rename = "retry_cap_s", with = "value::seconds")]
    pub retry_cap: Duration,
}
