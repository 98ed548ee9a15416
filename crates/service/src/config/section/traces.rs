use serde::{Deserialize, Serialize};

use crate::config::{MaskedUrl, value};

/// Traces.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracesConfig {
    /// The collector's address; nothing is recorded when absent.
    #[serde(with = "value::optional_text")]
    pub endpoint: Option<MaskedUrl>,
    /// Share of the traces that begin here and are recorded, 0 to 1.
    pub sample_ratio: f64,
}
