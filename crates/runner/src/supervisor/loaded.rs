//! A loaded model that can be given tensors.

use std::sync::Arc;

use ortolan_domain::tensor::Tensor;

use crate::answer::{InferAnswer, ModelFacts};
use crate::error::RunnerError;
use crate::supervisor::context::CallContext;
use crate::supervisor::host::Request;
use crate::supervisor::models::LoadedModel;
use crate::supervisor::tensors::{in_order, named, positions};
use crate::wire::protocol::{InferOptions, Operation};

/// A loaded model; it stays loaded as long as somebody keeps this.
#[derive(Debug, Clone)]
pub struct Loaded(Arc<LoadedModel>);

/// Tensors that fit a model.
#[derive(Debug, Clone)]
pub struct CheckedInputs {
    /// In the order of the model's signature.
    pub inputs: Vec<Tensor>,
    /// The outputs that are wanted, by their position in the signature; all of them when empty.
    pub outputs: Vec<usize>,
}

impl Loaded {
    pub(super) fn new(model: Arc<LoadedModel>) -> Self {
        Self(model)
    }

    /// What the model is.
    pub fn facts(&self) -> &Arc<ModelFacts> {
        &self.0.facts
    }

    /// False once its runner has ended, so that it has to be loaded again.
    pub fn is_alive(&self) -> bool {
        self.0.lease.is_alive()
    }

    /// Checks tensors, given by name in any order, against the signature; an error names the input or the output.
    pub fn check(&self, inputs: Vec<Tensor>, outputs: &[String]) -> Result<CheckedInputs, RunnerError> {
        let signature = &self.0.facts.signature;
        Ok(CheckedInputs { outputs: positions(signature, outputs)?, inputs: in_order(signature, inputs)? })
    }

    /// Runs tensors through the model.
    pub async fn infer(&self, checked: CheckedInputs, context: CallContext) -> Result<InferAnswer, RunnerError> {
        let CheckedInputs { inputs, outputs } = checked;
        let mut call = Request::new(Operation::Infer, self.0.number);
        call.tensors = inputs;
        if !outputs.is_empty() {
            let options = InferOptions { outputs: outputs.clone() };
            call.json = Some(serde_json::to_vec(&options).map_err(|error| RunnerError::BadInput(error.to_string()))?);
        }
        let parts = self.0.lease.host().call(call, context).await?;
        named(&self.0.facts.signature, &outputs, parts)
    }
}
