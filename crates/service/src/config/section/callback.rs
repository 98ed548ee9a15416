use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{MaskedUrl, value};

/// Where results of pipelines are posted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackConfig {
    /// The receiver's address; none when absent.
    #[serde(with = "value::optional_text")]
    pub backend_url: Option<MaskedUrl>,
    /// How long it may take.
    #[serde(rename = "timeout_s", with = "value::seconds")]
    pub timeout: Duration,
}
