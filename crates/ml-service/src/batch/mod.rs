//! Dynamic batching: requests of one tenant for one model that come close together go through the model in one run.
//!
//! Flow: a request that may be batched joins the line of its model. The line's task takes the first one, waits for others
//! at most as long as the policy says and as long as the device is busy anyway, closes the batch and runs it; meanwhile
//! the next one gathers.
//!
//! Invariants: a line is one model of one tenant, so tenants never mix; a batch has as many rows and bytes as its policy
//! allows, or it is one request; requests whose other axes, outputs or policies differ are not put together; a batch that
//! fails, or whose answer does not have its rows, is taken apart and each request runs by itself, so that none fails for
//! another's sake.

mod gather;
mod line;
mod run;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ortolan_domain::job::MlError;
use ortolan_domain::tensor::row_count;
use ortolan_ml_client::InferAnswer;
use ortolan_runner::{CheckedInputs, Dimension, Loaded, ModelKey, Signature, TensorSignature, ValueKind};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::infer::Prepared;
use crate::service::MlService;

/// How requests of a model are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchPolicy {
    /// Most rows of a run; 1 means that nothing is put together.
    pub max_rows: usize,
    /// Most bytes of the inputs of a run.
    pub max_bytes: usize,
    /// The longest that the first request waits for others while the device is free.
    pub max_wait: Duration,
}

impl BatchPolicy {
    /// Every request runs by itself, unless its model says otherwise.
    pub const OFF: Self = Self { max_rows: 1, max_bytes: 8 << 20, max_wait: Duration::ZERO };
}

/// Most rows of a run, whatever a model asks for.
pub(crate) const MOST_ROWS: usize = 4096;
/// Requests of one model that may wait in its line.
const MOST_IN_LINE: usize = 1024;

/// A request in a line.
pub(crate) struct Member {
    pub(crate) prepared: Prepared,
    pub(crate) policy: BatchPolicy,
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
    /// When it joined the line.
    pub(crate) arrived: Instant,
    pub(crate) answer: oneshot::Sender<Result<InferAnswer, MlError>>,
}

/// The lines of all models that have one.
#[derive(Default)]
pub(crate) struct Lines(Mutex<HashMap<ModelKey, mpsc::Sender<Member>>>);

/// A line has as many requests as it may have.
#[derive(Debug, thiserror::Error)]
#[error("too many requests wait for this model")]
pub(crate) struct LineFull;

impl Lines {
    /// Puts a request into its model's line, which it opens unless it is open.
    pub(crate) fn join(&self, service: &MlService, member: Member) -> Result<(), LineFull> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = member.prepared.key.clone();
        let member = match lines.get(&key) {
            None => member,
            Some(line) => match line.try_send(member) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(_)) => return Err(LineFull),
                // The line was closed because nobody came for a while.
                Err(TrySendError::Closed(member)) => member,
            },
        };
        let (line, members) = mpsc::channel(MOST_IN_LINE);
        line.try_send(member).map_err(|_| LineFull)?;
        lines.insert(key, line);
        tokio::spawn(line::serve(service.clone(), members));
        Ok(())
    }
}

/// How many rows a request has, if it may share a run at all: a policy that allows it, and a model whose inputs and
/// outputs are all tensors with a free first axis, of which all inputs have the same number.
pub(crate) fn rows_of(loaded: &Loaded, checked: &CheckedInputs, policy: BatchPolicy) -> Option<usize> {
    if policy.max_rows < 2 || !has_batch_axis(&loaded.facts().signature) {
        return None;
    }
    let takes_numbers = |(spec, input): (&TensorSignature, &ortolan_domain::tensor::Tensor)| {
        // An encoded picture stands for rows that are not there yet.
        spec.element == Some(input.datatype)
    };
    let signature = &loaded.facts().signature;
    if !signature.inputs.iter().zip(&checked.inputs).all(takes_numbers) {
        return None;
    }
    let rows = row_count(&checked.inputs.first()?.shape)?;
    let all_have = checked.inputs.iter().all(|input| row_count(&input.shape) == Some(rows));
    (all_have && (1..policy.max_rows).contains(&rows)).then_some(rows)
}

/// Whether all inputs and outputs are tensors whose first axis is free.
pub(crate) fn has_batch_axis(signature: &Signature) -> bool {
    let is_free = |spec: &TensorSignature| {
        spec.kind == ValueKind::Tensor && matches!(spec.dims.first(), Some(Dimension::Named(_) | Dimension::Free))
    };
    !signature.inputs.is_empty() && signature.inputs.iter().chain(&signature.outputs).all(is_free)
}
