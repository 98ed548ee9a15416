use std::net::SocketAddr;
use std::time::Duration;

use ortolan_domain::TenantSlug;
use serde::{Deserialize, Serialize};

use crate::config::value;

/// The HTTP API.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Web origins that may call it from a browser.
    pub cors_origins: Vec<String>,
    /// Largest JSON body.
    pub max_json_bytes: usize,
    /// Largest uploaded image, sound or video.
    pub max_media_bytes: u64,
    /// Largest uploaded model file.
    pub max_model_bytes: u64,
    /// Connections that may be open at once.
    pub max_connections: usize,
    /// How long a client may take for a request's head, or stay silent between requests.
    #[serde(rename = "header_timeout_s", with = "value::seconds")]
    pub header_timeout: Duration,
    /// How long a stopping service waits for what is under way.
    #[serde(rename = "drain_timeout_s", with = "value::seconds")]
    pub drain_timeout: Duration,
    /// Answers without a key.
    pub no_auth: bool,
    /// Whose requests those without a key are.
    pub no_auth_tenant: TenantSlug,
    /// How long a request for a pipeline waits for its end.
    #[serde(rename = "process_timeout_s", with = "value::seconds")]
    pub process_timeout: Duration,
    /// Who sees where a job failed.
    pub expose_tracebacks: Tracebacks,
    /// The header that a queue in front adds; outside of development a submission without it is refused.
    #[serde(with = "value::optional_text")]
    pub ingress_header: Option<String>,
}

/// Who sees where a job failed: an administrator of its tenant in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tracebacks {
    /// Everybody who may read the job, in environment development only.
    Auto,
    /// Everybody who may read the job.
    On,
    /// Nobody else.
    Off,
}
