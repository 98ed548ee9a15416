//! Named tensors through a model.

use std::time::Duration;

use ortolan_domain::job::Timings;
use ortolan_domain::model::ModelRef;
use ortolan_domain::tensor::{Output, Tensor};
use ortolan_domain::{Timestamp, TraceContext};
use serde::{Deserialize, Serialize};

use crate::TensorSpec;

/// One inference.
#[derive(Debug, Clone)]
pub struct InferRequest {
    /// Whose model, and which.
    pub model: ModelRef,
    /// SHA-256 of the file as the caller's truth has it; a local copy with another one is fetched anew.
    pub sha256: Option<String>,
    /// The inputs by name, in any order; one that the model does not have is an error.
    pub inputs: Vec<Tensor>,
    /// The outputs that are wanted, in this order; all of them when empty.
    pub outputs: Vec<String>,
    /// What is left until the deadline.
    pub timeout: Duration,
    /// How requests of this model are put together, where it differs from the service's settings.
    pub batching: Option<Batching>,
    /// The request, for whoever looks into the log.
    pub request_id: String,
    /// The span of a trace that it belongs to.
    pub trace: Option<TraceContext>,
}

/// How requests for one model are put together into one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batching {
    /// Most rows of a run; 1 means that nothing is put together.
    pub max_rows: u32,
    /// The longest that the first request waits for others.
    pub max_wait_ms: u32,
}

/// What an inference gave.
#[derive(Debug, Clone, PartialEq)]
pub struct InferAnswer {
    /// The outputs, in the order that was asked for.
    pub outputs: Vec<Output>,
    /// SHA-256 of the file that was run, in hexadecimal.
    pub model_sha256: String,
    /// Where the time went.
    pub timings: Timings,
    /// Rows of the run that this was part of.
    pub batch_size: u32,
}

/// What a model takes and gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSignature {
    /// What goes in.
    pub inputs: Vec<TensorSpec>,
    /// What comes out.
    pub outputs: Vec<TensorSpec>,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

/// How often something was done and how long it took in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// How often.
    pub count: u64,
    /// Nanoseconds in all.
    pub ns: u64,
}

/// What a model did since the service started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelStats {
    /// Which model.
    pub model: ModelRef,
    /// When it last ended a run.
    pub last_inference: Option<Timestamp>,
    /// Rows that went through it.
    pub inference_count: u64,
    /// Runs of it; fewer than the rows when requests were put together.
    pub execution_count: u64,
    /// Requests that ended well, from their arrival to their answer.
    pub success: Spent,
    /// Requests that did not.
    pub fail: Spent,
    /// Waiting for a turn, a permit and other requests.
    pub queue: Spent,
    /// Preparing inputs.
    pub compute_input: Spent,
    /// Running.
    pub compute_infer: Spent,
    /// Reading outputs.
    pub compute_output: Spent,
    /// The last runs, newest first.
    pub last_batches: Vec<BatchReport>,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchReport {
    /// When it began.
    pub at: Timestamp,
    /// Requests in it.
    pub requests: u32,
    /// Their rows in all, without padding.
    pub rows: u32,
    /// Rows that were added because the model takes a fixed number of them.
    pub padding: u32,
    /// How long the first of them had waited for others.
    pub wait_ms: f64,
    /// Why it did not wait for more.
    pub closed: BatchClose,
}

/// Why a batch did not wait for more requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchClose {
    /// It had as many rows as it may have.
    Rows,
    /// One more request would have made it too large.
    Bytes,
    /// The first request had waited long enough.
    Waited,
    /// The next request had other shapes.
    OtherShape,
    /// Requests of this model, or of this kind, run by themselves.
    Alone,
}
