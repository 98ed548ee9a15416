//! Which file a session is made from: a tenant's slot, or a version in its registry; and that registry's words.

mod label;
mod record;
mod status;

pub use label::{LabelError, MAX_NAME_CHARS, MAX_VERSION_CHARS, RegistryName, VersionLabel};
pub use record::{FileWords, Model, ModelFacts, ModelFile, PortFacts, PortKind};
pub use status::{MODEL_MOVES, ModelMove, ModelStatus};

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::ModelId;
use crate::slot::Slot;
use crate::tenant::TenantSlug;

/// A tenant's model, by either of its two doors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelName {
    /// The file at the conventional path.
    Slot(Slot),
    /// A version in the registry.
    Version(ModelId),
}

impl ModelName {
    /// Where the file lies in the object store.
    pub fn object_path(self, tenant: &TenantSlug) -> String {
        match self {
            Self::Slot(slot) => slot.object_path(tenant),
            Self::Version(id) => format!("models/{tenant}/registry/{id}.onnx"),
        }
    }

    /// The key of its loaded session, for instance `tenant-001_detect_worker_0`.
    pub fn cache_key(self, tenant: &TenantSlug, worker_id: u32) -> String {
        format!("{tenant}_{self}_worker_{worker_id}")
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot(slot) => slot.fmt(f),
            Self::Version(id) => id.fmt(f),
        }
    }
}

impl From<Slot> for ModelName {
    fn from(slot: Slot) -> Self {
        Self::Slot(slot)
    }
}

/// A model as the ML service is asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ModelRef {
    /// Whose.
    pub tenant: TenantSlug,
    /// Which.
    pub name: ModelName,
}

impl ModelRef {
    /// A tenant's model.
    pub fn new(tenant: TenantSlug, name: impl Into<ModelName>) -> Self {
        Self { tenant, name: name.into() }
    }

    /// Where its file lies in the object store.
    pub fn object_path(&self) -> String {
        self.name.object_path(&self.tenant)
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.name)
    }
}

impl From<ModelId> for ModelName {
    fn from(id: ModelId) -> Self {
        Self::Version(id)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_doors_lead_into_the_tenants_folder() {
        let tenant = TenantSlug::parse("tenant-001").unwrap();
        let id = ModelId::generate();
        assert_eq!(ModelName::from(Slot::Detect).object_path(&tenant), "models/tenant-001/detect.onnx");
        assert_eq!(ModelName::Version(id).object_path(&tenant), format!("models/tenant-001/registry/{id}.onnx"));
        assert_eq!(ModelName::Version(id).cache_key(&tenant, 2), format!("tenant-001_{id}_worker_2"));
    }
}
