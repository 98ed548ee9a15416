use serde::{Deserialize, Serialize};

/// How far the queues are filled.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DispatchConfig {
    /// Tasks in one queue at once.
    pub window: u32,
    /// Tasks of one tenant that are queued or running at once.
    pub per_tenant: u32,
}
