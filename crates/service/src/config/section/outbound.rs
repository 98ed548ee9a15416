use std::time::Duration;

use ortolan_domain::network::Network;
use serde::{Deserialize, Serialize};

use crate::config::value;

/// Requests to addresses that tenants chose.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboundConfig {
    /// Networks that may be reached although they are not public.
    pub allowed_networks: Vec<Network>,
    /// Pictures may be named by `https://` addresses.
    pub fetch_pictures: bool,
    /// How long fetching a picture may take.
    #[serde(rename = "fetch_timeout_s", with = "value::seconds")]
    pub fetch_timeout: Duration,
}
