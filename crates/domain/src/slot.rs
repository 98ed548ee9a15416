//! Slots: the conventional path of a tenant's model for one purpose, `models/{tenant}/{type}.onnx`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::tenant::TenantSlug;

/// What a tenant's conventional model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// Boxes around objects.
    Detect,
    /// Masks of objects.
    Segment,
    /// Classes of a whole picture.
    Classify,
}

/// The text given names no slot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid model_type: {0}")]
pub struct UnknownSlot(pub String);

impl Slot {
    /// All slots.
    pub const ALL: [Self; 3] = [Self::Detect, Self::Segment, Self::Classify];

    /// The word used in paths, keys and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Detect => "detect",
            Self::Segment => "segment",
            Self::Classify => "classify",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Result<Self, UnknownSlot> {
        let found = Self::ALL.into_iter().find(|slot| slot.as_str() == text);
        found.ok_or_else(|| UnknownSlot(text.chars().filter(|c| !c.is_control()).take(64).collect()))
    }

    /// Where the tenant's model for this slot lies in the object store.
    pub fn object_path(self, tenant: &TenantSlug) -> String {
        format!("models/{tenant}/{self}.onnx")
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text for a tenant whose slot is empty; clients rely on its wording.
pub fn missing_model(tenant: &TenantSlug, slot: Slot) -> String {
    format!("Model '{slot}' not found for tenant '{tenant}'")
}

/// The key of a loaded model in the session cache, for instance `tenant-001_detect_worker_0`.
pub fn cache_key(tenant: &TenantSlug, slot: Slot, worker_id: u32) -> String {
    format!("{tenant}_{slot}_worker_{worker_id}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn paths_and_keys_follow_the_convention() {
        let tenant = TenantSlug::parse("tenant-001").unwrap();
        assert_eq!(Slot::Detect.object_path(&tenant), "models/tenant-001/detect.onnx");
        assert_eq!(cache_key(&tenant, Slot::Segment, 1), "tenant-001_segment_worker_1");
        assert_eq!(missing_model(&tenant, Slot::Detect), "Model 'detect' not found for tenant 'tenant-001'");
        assert_eq!(Slot::parse("yolo").unwrap_err().to_string(), "Invalid model_type: yolo");
    }
}
