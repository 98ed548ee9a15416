use ortolan_domain::config::ConfidenceDefaults;
use serde::{Deserialize, Serialize};

/// Thresholds for tasks that name none, 0 to 1.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfidenceConfig {
    /// For detection.
    pub detect: f64,
    /// For segmentation.
    pub segment: f64,
}

impl From<ConfidenceConfig> for ConfidenceDefaults {
    fn from(config: ConfidenceConfig) -> Self {
        Self { detect: config.detect as f32, segment: config.segment as f32 }
    }
}
