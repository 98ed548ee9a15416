use serde::{Deserialize, Serialize};

/// What a tenant may have at once, and how large things may be once decoded.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Open tasks of one tenant.
    pub open_tasks_per_tenant: u64,
    /// Requests under way at once, of all tenants.
    pub open_requests: usize,
    /// Requests of one tenant under way at once.
    pub open_requests_per_tenant: usize,
    /// Largest picture, width times height.
    pub max_image_px: u64,
}
