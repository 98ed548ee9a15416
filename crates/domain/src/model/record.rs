//! A version as it is kept in the registry, and what its validation found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ModelMove, ModelStatus, RegistryName, VersionLabel};
use crate::id::{ModelId, TenantId};
use crate::time::Timestamp;

/// A version of a model in a tenant's registry.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Its id.
    pub id: ModelId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// The name it shares with its other versions.
    pub name: RegistryName,
    /// Its own label.
    pub version: VersionLabel,
    /// A text for people.
    pub description: Option<String>,
    /// What its owner wants to remember of it.
    pub metadata: Map<String, Value>,
    /// Where it stands.
    pub status: ModelStatus,
    /// Its file, when it has one.
    pub file: Option<ModelFile>,
    /// What the latest successful validation of this file found.
    pub facts: Option<Box<ModelFacts>>,
    /// Why the file cannot be served, in our words.
    pub error: Option<String>,
    /// Grows with every change; who validates holds it as a fence.
    pub revision: i64,
    /// Until when a validation under way must have ended; after that anybody may begin another one.
    pub validating_until: Option<Timestamp>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// A version's file in the object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFile {
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Its size.
    pub size_bytes: u64,
}

/// What the validation of a file found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelFacts {
    /// What goes in.
    pub inputs: Vec<PortFacts>,
    /// What comes out.
    pub outputs: Vec<PortFacts>,
    /// What the file says of itself.
    pub words: FileWords,
    /// Further metadata that the file carries, bounded.
    pub custom_metadata: BTreeMap<String, String>,
    /// What runs it, for instance `CPUExecutionProvider`.
    pub providers: Vec<String>,
    /// What a vision model does: `detect`, `segment`, `classify`, `obb`, `pose`.
    pub vision_task: Option<String>,
    /// How long the trial run took, when there was one.
    pub trial_run_ms: Option<f64>,
    /// Why the trial run failed, when it did: the model may want other inputs than zeros.
    pub trial_failure: Option<String>,
    /// Memory that the loaded model took in its throw-away process.
    pub memory_bytes: Option<u64>,
}

/// What a model's file says of itself. Texts are cut to a bounded length and have no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FileWords {
    /// Version of the file format.
    pub ir_version: i64,
    /// Versions of the operator sets by domain; the standard one is `ai.onnx`.
    pub opsets: BTreeMap<String, i64>,
    /// The program that wrote the file.
    pub producer_name: String,
    /// Its version.
    pub producer_version: String,
    /// The graph's name.
    pub graph_name: String,
    /// The file's own description.
    pub description: String,
    /// The file's own domain.
    pub domain: String,
    /// The file's own version number.
    pub model_version: Option<i64>,
}

impl FileWords {
    /// Version of the standard operator set.
    pub fn opset_version(&self) -> Option<i64> {
        self.opsets.get("ai.onnx").copied()
    }
}

/// One input or output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortFacts {
    /// Its name.
    pub name: String,
    /// What kind of value it is.
    #[serde(default)]
    pub kind: PortKind,
    /// Its element type as the Open Inference Protocol spells it, for instance `FP32`.
    pub dtype: String,
    /// Its shape; `null` for a free axis.
    pub shape: Vec<Option<i64>>,
}

/// What kind of value goes in or comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortKind {
    /// A tensor.
    #[default]
    Tensor,
    /// A map; its element type is that of its values.
    Map,
    /// A sequence; its element type is that of its elements.
    Sequence,
    /// A value that may be missing.
    Optional,
}

impl Model {
    /// Where an archived version would stand if it were taken back.
    pub const fn unarchived_status(&self) -> ModelStatus {
        match (&self.file, &self.facts, &self.error) {
            (None, ..) => ModelStatus::Pending,
            (Some(_), Some(_), None) => ModelStatus::Ready,
            (Some(_), _, Some(_)) => ModelStatus::Error,
            (Some(_), None, None) => ModelStatus::Uploaded,
        }
    }

    /// True when `wanted` is legal at `now`: a validation that should have ended counts as given up.
    pub fn allows(&self, wanted: ModelMove, now: Timestamp) -> bool {
        self.effective_status(now).allows(wanted)
    }

    /// Where it stands at `now`, a validation that should have ended counted as given up.
    pub fn effective_status(&self, now: Timestamp) -> ModelStatus {
        let lapsed = self.validating_until.is_none_or(|until| until <= now);
        if self.status == ModelStatus::Validating && lapsed { ModelStatus::Uploaded } else { self.status }
    }
}
