use serde::{Deserialize, Serialize};

use crate::config::{MaskedUrl, Secret, value};

/// Keys and addresses that must not be shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsConfig {
    /// Signs the dashboard's sessions.
    #[serde(with = "value::optional_text")]
    pub secret_key: Option<Secret<String>>,
    /// Where errors are reported to.
    #[serde(with = "value::optional_text")]
    pub sentry_dsn: Option<MaskedUrl>,
    /// Headers for the collector of traces, as `name=value` separated by commas.
    #[serde(with = "value::optional_text")]
    pub otlp_headers: Option<Secret<String>>,
    /// The operator's API key, at least 32 characters.
    #[serde(with = "value::optional_text")]
    pub operator_key: Option<Secret<String>>,
}
