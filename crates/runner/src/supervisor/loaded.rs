//! A loaded model that can be given tensors.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ortolan_domain::tensor::Tensor;

use crate::answer::{InferAnswer, ModelFacts};
use crate::error::RunnerError;
use crate::supervisor::burst::{self, Passenger, Ride, Trip};
use crate::supervisor::context::CallContext;
use crate::supervisor::host::Request;
use crate::supervisor::models::{LoadedModel, NEVER_RAN};
use crate::supervisor::tensors::{in_order, named, positions};
use crate::wire::message::OwnedPart;
use crate::wire::protocol::{InferOptions, Operation};

/// A loaded model; it stays loaded as long as somebody keeps this.
#[derive(Debug, Clone)]
pub struct Loaded(Arc<LoadedModel>);

/// A run that somebody else takes along, for the one who waits for it.
#[derive(Debug)]
pub struct Waiting {
    model: Loaded,
    ride: Ride,
    outputs: Vec<usize>,
}

/// The same run, for the one who takes it along.
#[derive(Debug)]
pub struct Rider(Passenger);

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

    /// True when both are one and the same loaded model.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
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

    /// The model's number, which no other loaded model of this process has.
    pub fn number(&self) -> u32 {
        self.0.number
    }

    /// How long its last run took; nothing before the first one.
    pub fn last_run(&self) -> Option<Duration> {
        let us = self.0.last_run_us.load(Ordering::Relaxed);
        (us != NEVER_RAN).then(|| Duration::from_micros(us))
    }

    /// Runs tensors through the model.
    pub async fn infer(&self, checked: CheckedInputs, context: CallContext) -> Result<InferAnswer, RunnerError> {
        let (call, outputs) = self.call(checked)?;
        let parts = self.0.lease.host().call(call, context).await?;
        self.read(&outputs, parts)
    }

    /// Packs a run that somebody else takes along with [`carry`](Self::carry); it must be small enough for a slot.
    pub fn ride(&self, checked: CheckedInputs, context: &CallContext) -> Result<(Waiting, Rider), RunnerError> {
        let (call, outputs) = self.call(checked)?;
        let (ride, passenger) = burst::pack(call, context);
        Ok((Waiting { model: self.clone(), ride, outputs }, Rider(passenger)))
    }

    /// Takes runs of this very model along, one after the other under one permit, which lasts until the last of them is over.
    pub fn carry(&self, riders: Vec<Rider>, permit: impl Any + Send + Sync) {
        if riders.is_empty() {
            return;
        }
        let passengers = riders.into_iter().map(|Rider(passenger)| passenger).collect();
        self.0.lease.host().carry(passengers, Arc::new(permit));
    }

    fn call(&self, checked: CheckedInputs) -> Result<(Request, Vec<usize>), RunnerError> {
        let CheckedInputs { inputs, outputs } = checked;
        let mut call = Request::new(Operation::Infer, self.0.number);
        call.tensors = inputs;
        if !outputs.is_empty() {
            let options = InferOptions { outputs: outputs.clone() };
            call.json = Some(serde_json::to_vec(&options).map_err(|error| RunnerError::BadInput(error.to_string()))?);
        }
        Ok((call, outputs))
    }

    fn read(&self, outputs: &[usize], parts: Vec<OwnedPart>) -> Result<InferAnswer, RunnerError> {
        let answer = named(&self.0.facts.signature, outputs, parts)?;
        self.0.last_run_us.store(answer.timings.run_us.min(NEVER_RAN - 1), Ordering::Relaxed);
        Ok(answer)
    }
}

impl Waiting {
    /// The answer, as of [`Loaded::infer`], and how the run was taken along. Dropping the future cancels it.
    pub async fn end(self) -> (Result<InferAnswer, RunnerError>, Option<Trip>) {
        let (reply, trip) = self.ride.end().await;
        (reply.and_then(|parts| self.model.read(&self.outputs, parts)), trip)
    }
}

impl Rider {
    /// False once nobody waits for its answer.
    pub fn is_wanted(&self) -> bool {
        self.0.is_wanted()
    }

    /// Refuses it.
    pub fn refuse(self, error: RunnerError) {
        self.0.refuse(error);
    }
}
