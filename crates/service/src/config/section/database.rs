use serde::{Deserialize, Serialize};

use crate::config::{MaskedUrl, value};

/// The database. [`Config::database`](crate::Config::database) says which one it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// Its address, when one is set.
    #[serde(with = "value::optional_text")]
    pub url: Option<MaskedUrl>,
    /// Connections of an API process.
    pub max_connections: u32,
    /// Connections of a worker and of a reconciler process.
    pub worker_max_connections: u32,
}
