//! Requests and answers of the ML service.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use ortolan_domain::job::MlError;
use ortolan_domain::media::{MediaFacts, PictureWriting};
use ortolan_domain::model::{FileWords, ModelName, ModelRef};
use ortolan_domain::task::TaskInput;
use ortolan_domain::{Slot, TenantSlug, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::infer::{InferAnswer, InferRequest, ModelSignature, ModelStats};

/// A question what a stored object is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProbeMedia {
    /// Whose runner looks at it.
    pub tenant: TenantSlug,
    /// Where the bytes lie in the object store.
    pub object_path: String,
}

/// Most bytes that the findings of an [`AnnotatePicture`] may have as JSON.
pub const MAX_FINDINGS_BYTES: usize = 32 << 20;

/// A wish for a picture with what was found in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AnnotatePicture {
    /// Whose runner draws.
    pub tenant: TenantSlug,
    /// The picture as it was when the task looked at it.
    pub input: TaskInput,
    /// A JSON list of artifacts' payloads, the surest first; those that have no place in a picture are left out.
    pub findings: Box<RawValue>,
    /// How the picture is written.
    pub writing: PictureWriting,
}

/// A question whether a stored file may be served as a model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckModel {
    /// Whose it is.
    pub tenant: TenantSlug,
    /// Where the file lies in the object store.
    pub object_path: String,
    /// The slot that it must fit, if it is meant for one.
    pub slot: Option<Slot>,
}

/// One input or output of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TensorSpec {
    /// Its name.
    pub name: String,
    /// Its element type as the Open Inference Protocol spells it, for instance `FP32`; `UNKNOWN` for what is no tensor
    /// and for types that cannot be carried.
    pub datatype: String,
    /// Its shape; -1 for a free axis.
    pub shape: Vec<i64>,
    /// What kind of value it is.
    #[serde(default)]
    pub kind: TensorKind,
}

/// What kind of value an input or output is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TensorKind {
    /// A tensor.
    #[default]
    Tensor,
    /// A sequence of values.
    Sequence,
    /// A map from keys to values.
    Map,
    /// A value that may be missing.
    Optional,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelReport {
    /// SHA-256 of the file in hexadecimal.
    pub sha256: String,
    /// Size of the file.
    pub size_bytes: u64,
    /// What goes in.
    pub inputs: Vec<TensorSpec>,
    /// What comes out.
    pub outputs: Vec<TensorSpec>,
    /// What the file says of itself.
    pub words: FileWords,
    /// What would run it, for instance `CPUExecutionProvider`.
    pub providers: Vec<String>,
    /// Metadata that the file carries, bounded.
    pub metadata: BTreeMap<String, String>,
    /// What the model does, for models that fit a slot: `detect`, `segment`, `classify`, `obb`, `pose`.
    pub vision_task: Option<String>,
    /// How long the trial run took.
    pub trial_run_ms: Option<f64>,
    /// Why the trial run failed; only of a model that is not for a slot, as others are refused then.
    pub trial_failure: Option<String>,
    /// Memory that the loaded model took in its throw-away process.
    pub memory_bytes: Option<u64>,
}

/// A question about one model, over HTTP.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OfModel {
    /// Whose, and which.
    pub model: ModelRef,
    /// SHA-256 of the file as the caller's truth has it.
    pub sha256: Option<String>,
}

/// The answer to an unloading, over HTTP.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Unloaded {
    /// Whether it was loaded.
    pub was_loaded: bool,
}

/// A session in the cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadedModel {
    /// `{tenant}_{slot or id}_worker_{id}`.
    pub key: String,
    /// Whose.
    pub tenant: TenantSlug,
    /// Which of its tenant's.
    pub model: ModelName,
    /// `cpu` or `cuda:{n}`.
    pub device: String,
    /// SHA-256 of the file in hexadecimal.
    pub sha256: String,
    /// Size of the file.
    pub size_bytes: u64,
    /// By how much its runner grew while it was loaded; absent when that could not be measured.
    pub memory_bytes: Option<u64>,
    /// When it was loaded.
    pub loaded_at: Timestamp,
}

/// A tenant's runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunnerInfo {
    /// Whose; `None` for one that all share.
    pub tenant: Option<TenantSlug>,
    /// `cpu` or `cuda:{n}`.
    pub device: String,
    /// Its resident memory.
    pub resident_bytes: Option<u64>,
    /// How often this tenant's runners ended against our will.
    pub deaths: u64,
}

/// What is loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelCacheInfo {
    /// The keys of the loaded models.
    pub cached_models: Vec<String>,
    /// How many there are.
    pub model_count: usize,
    /// Each in detail.
    pub models: Vec<LoadedModel>,
    /// The runners that hold them.
    pub runners: Vec<RunnerInfo>,
    /// Models that the cache's limits have unloaded since the start.
    pub evictions: u64,
    /// True when there is an accelerator.
    pub gpu_available: bool,
    /// How many.
    pub gpu_count: u32,
    /// Accelerator memory that is in use; absent when that cannot be measured.
    pub gpu_memory_allocated: Option<u64>,
    /// Accelerator memory that sessions may take; absent when there is no limit.
    pub gpu_memory_reserved: Option<u64>,
}

/// One device of the ML service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceHealth {
    /// `cpu` or `cuda:{n}`.
    pub name: String,
    /// Runs that may be under way at once.
    pub permits: usize,
    /// Runs under way.
    pub running: usize,
    /// Calls that wait for a permit.
    pub waiting: usize,
}

/// How well the ML service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MlHealthStatus {
    /// Everything works.
    Healthy,
    /// Some of it does not.
    Degraded,
    /// None of it does.
    Unhealthy,
}

/// The ML service's health.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MlHealth {
    /// In one word.
    pub status: MlHealthStatus,
    /// Keys of the models that are loaded.
    pub models_loaded: Vec<String>,
    /// Preloaded models that failed, and why.
    pub models_failed: BTreeMap<String, String>,
    /// True when there is an accelerator.
    pub gpu_available: bool,
    /// Its name.
    pub gpu_device_name: Option<String>,
    /// Its memory.
    pub gpu_memory_total_mb: Option<u64>,
    /// What of it is used.
    pub gpu_memory_used_mb: Option<u64>,
    /// Resident memory of all runners.
    pub runners_resident_bytes: u64,
    /// The devices and their permits.
    pub devices: Vec<DeviceHealth>,
    /// How tenants are kept apart: `tenant`, `shared` or `none`.
    pub isolation: String,
    /// Version of the runtime.
    pub runtime_version: String,
}

/// The ML service, wherever it runs. Dropping a call's future cancels it.
#[async_trait]
pub trait Inference: Send + Sync {
    /// Says what a stored object is, decided by its content in the tenant's runner.
    async fn probe_media(&self, request: ProbeMedia) -> Result<MediaFacts, MlError>;

    /// Draws what was found into a picture, in the tenant's runner, and gives the file.
    async fn annotate_picture(&self, request: AnnotatePicture) -> Result<Bytes, MlError>;

    /// Scans a stored file and tries it in a throw-away runner; an error with code `invalid_model` says why it cannot be served.
    async fn check_model(&self, request: CheckModel) -> Result<ModelReport, MlError>;

    /// Forgets what is cached of a model, because its file changed. Runs under way end on the model they began with.
    async fn forget_model(&self, model: ModelRef) -> Result<(), MlError>;

    /// Runs named tensors through a model, loading it first unless it is loaded.
    async fn infer(&self, request: InferRequest) -> Result<InferAnswer, MlError>;

    /// What a model takes and gives; loads it unless it is loaded.
    async fn describe_model(&self, model: ModelRef, sha256: Option<String>) -> Result<ModelSignature, MlError>;

    /// Loads a model unless it is loaded. `sha256` is the file's digest as the caller's truth has it.
    async fn load_model(&self, model: ModelRef, sha256: Option<String>) -> Result<(), MlError>;

    /// Unloads a model once its runs have ended, and drops its local copy; says whether it was loaded.
    async fn unload_model(&self, model: ModelRef) -> Result<bool, MlError>;

    /// What models did since the service started, of one tenant or of all.
    async fn model_stats(&self, tenant: Option<TenantSlug>) -> Result<Vec<ModelStats>, MlError>;

    /// What is loaded, of one tenant or of all.
    async fn model_cache(&self, tenant: Option<TenantSlug>) -> Result<ModelCacheInfo, MlError>;

    /// Unloads the models of one tenant or of all, with their local copies; returns how many.
    async fn clear_model_cache(&self, tenant: Option<TenantSlug>) -> Result<usize, MlError>;

    /// The service's health.
    async fn health(&self) -> Result<MlHealth, MlError>;
}
