//! Where calls are served: in a process of their own, or in this one.

use std::sync::Arc;

use bytes::Bytes;
use ortolan_domain::tensor::Tensor;
use serde::Serialize;

use crate::error::RunnerError;
use crate::supervisor::calls::Reply;
use crate::supervisor::context::CallContext;
use crate::supervisor::local::Local;
use crate::supervisor::process::Process;
use crate::wire::message::{Part, PartKind};
use crate::wire::protocol::Operation;

/// A call with everything that belongs to it.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) operation: Operation,
    pub(super) model: u32,
    pub(super) json: Option<Vec<u8>>,
    pub(super) tensors: Vec<Tensor>,
    /// Goes into the slot when it fits, and into a memory file of its own when not.
    pub(super) media: Option<Bytes>,
    /// Always goes into a memory file of its own.
    pub(super) attachment: Option<Bytes>,
}

impl Request {
    pub(super) fn new(operation: Operation, model: u32) -> Self {
        Self { operation, model, json: None, tensors: Vec::new(), media: None, attachment: None }
    }

    /// The parts in order.
    pub(super) fn parts(&self) -> Vec<Part<'_>> {
        let json = self.json.as_deref().map(Part::json);
        let tensors = self.tensors.iter().map(|tensor| Part {
            kind: PartKind::Tensor(tensor.datatype),
            dims: &tensor.shape,
            bytes: &tensor.data,
        });
        json.into_iter().chain(tensors).chain(self.media.as_deref().map(Part::media)).collect()
    }
}

/// Where calls are served.
#[derive(Debug, Clone)]
pub(super) enum Host {
    /// In a sandboxed process.
    Process(Arc<Process>),
    /// In this process.
    Local(Arc<Local>),
}

impl Host {
    pub(super) async fn call(&self, request: Request, context: CallContext) -> Reply {
        match self {
            Self::Process(process) => process.call(request, context).await,
            Self::Local(local) => local.call(request, context).await,
        }
    }

    pub(super) fn unload(&self, model: u32) {
        match self {
            Self::Process(process) => process.unload(model),
            Self::Local(local) => local.unload(model),
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        match self {
            Self::Process(process) => process.is_alive(),
            Self::Local(_) => true,
        }
    }

    /// Kills a process; in this process nothing can be done.
    pub(super) fn retire(&self) {
        if let Self::Process(process) = self {
            process.retire();
        }
    }

    pub(super) fn pid(&self) -> u32 {
        match self {
            Self::Process(process) => process.pid(),
            Self::Local(_) => std::process::id(),
        }
    }

    pub(super) fn under_way(&self) -> usize {
        match self {
            Self::Process(process) => process.under_way(),
            Self::Local(local) => local.under_way(),
        }
    }
}

/// The error for an answer that does not keep to its schema.
pub(super) fn malformed() -> RunnerError {
    RunnerError::RunFailed("the model's process gave an answer that cannot be read".to_owned())
}

/// What goes along with a call.
pub(super) fn json(value: &impl Serialize) -> Result<Vec<u8>, RunnerError> {
    serde_json::to_vec(value).map_err(|error| RunnerError::BadInput(error.to_string()))
}
