use serde::{Deserialize, Serialize};

/// What a tenant may have at once, and how large things may be once decoded.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Open tasks of one tenant.
    pub open_tasks_per_tenant: u64,
    /// Largest picture, width times height.
    pub max_image_px: u64,
}
