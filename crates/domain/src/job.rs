//! Queue messages and what comes back: small, serialisable, and never the truth.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::artifact::ArtifactType;
use crate::error::ErrorCode;
use crate::id::{RunId, TaskId, TenantId};
use crate::origin::Origin;
use crate::task::{TaskInput, TaskType};
use crate::tenant::TenantSlug;
use crate::time::Timestamp;

/// The most bytes that a result may have.
pub const MAX_RESULT_BYTES: usize = 256 << 20;

/// One try of one task: what a delivery names and what every write is fenced with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Attempt {
    /// The task.
    pub task_id: TaskId,
    /// Its fencing token.
    pub attempt: i64,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.task_id, self.attempt)
    }
}

/// A message in `gpu_jobs` or `cpu_jobs`: a hint that an attempt may be claimed.
pub type Delivery = Attempt;

/// The id of a delivery in a broker: the same attempt is never queued twice.
pub fn delivery_id(attempt: Attempt) -> String {
    format!("ml_{attempt}")
}

/// A message in `ml_jobs`: everything the ML service needs, as it has no database.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MlJob {
    /// Which try of which task.
    #[serde(flatten)]
    pub attempt: Attempt,
    /// The run that the result belongs to.
    pub run_id: RunId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// The tenant's name.
    pub tenant: TenantSlug,
    /// What to do.
    pub task_type: TaskType,
    /// The media object to look at.
    pub input: Option<TaskInput>,
    /// The task's configuration.
    pub config: Box<RawValue>,
    /// SHA-256 of the canonical configuration.
    pub config_hash: String,
    /// When the run must have ended.
    pub deadline_at: Timestamp,
    /// When the worker handed it over.
    #[serde(default)]
    pub handed_over_at: Option<Timestamp>,
    /// Which request asked for it, in which trace.
    #[serde(default)]
    pub origin: Origin,
}

/// What produced a result and from what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The run.
    pub run_id: RunId,
    /// SHA-256 of the canonical configuration.
    pub config_hash: String,
    /// SHA-256 of the input bytes; of no bytes at all for a task without input.
    pub input_hash: String,
    /// The program that made the result.
    pub producer: String,
    /// Its version.
    pub producer_version: String,
    /// `fast`, `balanced` or `high_quality`.
    pub model_profile: String,
    /// SHA-256 of the model file, when a model was run.
    pub model_sha256: Option<String>,
    /// The request that asked for the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// How long the parts of an inference took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Timings {
    /// Waiting for the tenant's turn and a permit.
    pub wait_ms: f64,
    /// Decoding the media.
    pub decode_ms: f64,
    /// Preparing the tensors.
    pub prepare_ms: f64,
    /// The model itself.
    pub inference_ms: f64,
    /// Reading the outputs.
    pub interpret_ms: f64,
}

/// The answer under `ml_result:{task_id}:{attempt}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MlResult {
    /// Which try of which task.
    #[serde(flatten)]
    pub attempt: Attempt,
    /// What made it, from what.
    pub provenance: Provenance,
    /// How long it took.
    pub timings: Timings,
    /// The items, or why there are none.
    pub outcome: MlOutcome,
}

/// How an inference ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MlOutcome {
    /// It ended well with these items, in order.
    Items(Vec<MlItem>),
    /// It did not.
    Error(MlError),
}

/// One item of a result, not yet checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MlItem {
    /// What it claims to be.
    pub artifact_type: ArtifactType,
    /// Start of what it speaks of, in milliseconds of media time.
    pub span_start_ms: i64,
    /// End of it.
    pub span_end_ms: i64,
    /// The payload as JSON.
    pub payload: serde_json::Value,
}

/// Why an inference did not end well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct MlError {
    /// A word from the table of error codes, which also says whether another try may help.
    pub code: ErrorCode,
    /// What happened, in our words.
    pub detail: String,
    /// For a crash: what crashed the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspect: Option<Box<CrashSuspect>>,
    /// The service stopped before the run ended: another one is to run it, and it does not count as a try.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_given_back: bool,
}

/// A model and an input under which a process crashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashSuspect {
    /// What the model is called: a slot or a version's id.
    pub model: String,
    /// SHA-256 of its file in hexadecimal.
    pub model_sha256: String,
    /// SHA-256 of the input in hexadecimal: of a picture's bytes, or of tensors.
    pub input_hash: String,
}

impl MlError {
    /// An error with `code` and its explanation.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), suspect: None, is_given_back: false }
    }

    /// What a service that stops says of a run that it did not end.
    pub fn given_back() -> Self {
        Self { is_given_back: true, ..Self::new(ErrorCode::Unavailable, "the ML service stopped") }
    }

    /// The same error; a crash names whom it is put down to.
    pub fn suspecting(self, suspect: impl FnOnce() -> CrashSuspect) -> Self {
        let suspect = (self.code == ErrorCode::Crashed).then(|| Box::new(suspect()));
        Self { suspect, ..self }
    }
}

/// The key of a result.
pub fn result_key(attempt: Attempt) -> String {
    format!("ml_result:{attempt}")
}

/// The key that says that an attempt's inference ended, kept longer than the result itself.
pub fn done_key(attempt: Attempt) -> String {
    format!("ml_done:{attempt}")
}

/// The key that the ML service takes once per attempt, so that a doubled delivery runs once.
pub fn lock_key(attempt: Attempt) -> String {
    format!("ml_lock:{attempt}")
}
