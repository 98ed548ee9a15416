//! A loaded model, and one run of it.

use std::sync::atomic::{AtomicBool, Ordering};

use ort::session::{RunOptions, SessionInputValue, SessionOutputs};

use crate::error::EngineError;
use crate::metadata::Metadata;
use crate::output::{self, OutputView};
use crate::signature::{Signature, TensorSpec};
use crate::tensor::{Aligned, TensorView, view};

/// A loaded model. It does one run at a time; parallel runs need several sessions.
pub struct Session {
    session: ort::session::Session,
    input_names: Vec<String>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("inputs", &self.input_names).finish_non_exhaustive()
    }
}

/// Stops a run from another thread. Made afresh for each call, because a stop stays in force; several runs may share one.
pub struct RunControl {
    options: RunOptions,
    stopped: AtomicBool,
}

impl std::fmt::Debug for RunControl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunControl").field("stopped", &self.is_stopped()).finish_non_exhaustive()
    }
}

impl RunControl {
    /// Makes a control for the runs of one call.
    pub fn new() -> Result<Self, EngineError> {
        let options = RunOptions::new().map_err(|error| EngineError::at_run(&error))?;
        Ok(Self { options, stopped: AtomicBool::new(false) })
    }

    /// Stops runs under way at the end of their present kernel, and later ones before they begin.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        if let Err(error) = self.options.terminate() {
            tracing::debug!(text = error.message(), "the runtime did not take the stop");
        }
    }

    /// True after [`stop`](Self::stop).
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}

/// What a run gave; views of it live as long as it does.
pub struct Outputs<'s> {
    outputs: SessionOutputs<'s>,
}

impl std::fmt::Debug for Outputs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outputs").field("len", &self.len()).finish()
    }
}

impl Outputs<'_> {
    /// How many outputs there are.
    pub fn len(&self) -> usize {
        self.outputs.len()
    }

    /// True when the model gave nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The output at `index`, in the signature's order.
    pub fn output(&self, index: usize) -> Result<OutputView<'_>, EngineError> {
        let name = self.outputs.keys().nth(index).unwrap_or_default();
        match self.outputs.values().nth(index) {
            Some(_) => output::read(name, &self.outputs[index]),
            None => Err(EngineError::UnsupportedOutput(format!("number {index}"))),
        }
    }

    /// The output at `index`, in the signature's order, which must be a tensor of numbers; without a copy.
    pub fn tensor(&self, index: usize) -> Result<TensorView<'_>, EngineError> {
        let Some(name) = self.outputs.keys().nth(index) else {
            return Err(EngineError::UnsupportedOutput(format!("number {index}")));
        };
        view(&self.outputs[index]).ok_or_else(|| EngineError::UnsupportedOutput(name.to_owned()))
    }
}

impl Session {
    pub(crate) fn new(session: ort::session::Session) -> Self {
        let input_names = session.inputs().iter().map(|input| input.name().to_owned()).collect();
        Self { session, input_names }
    }

    /// Inputs and outputs.
    pub fn signature(&self) -> Signature {
        Signature {
            inputs: self.session.inputs().iter().map(TensorSpec::of).collect(),
            outputs: self.session.outputs().iter().map(TensorSpec::of).collect(),
        }
    }

    /// What the file says about itself.
    pub fn metadata(&self) -> Metadata {
        Metadata::of(&self.session)
    }

    /// Runs the model once. `inputs` are in the signature's order and all of them are needed.
    pub fn run<'s>(
        &'s mut self,
        inputs: &[TensorView<'_>],
        control: &'s RunControl,
    ) -> Result<Outputs<'s>, EngineError> {
        // The runtime itself notices a missing input only when a node needs it.
        if inputs.len() != self.input_names.len() {
            let text = format!("{} inputs were given and the model takes {}", inputs.len(), self.input_names.len());
            return Err(EngineError::BadInput(text));
        }
        let aligned = inputs.iter().map(|input| Aligned::new(*input)).collect::<Result<Vec<_>, _>>()?;
        let values = aligned.iter().map(Aligned::value).collect::<Result<Vec<SessionInputValue<'_>>, _>>()?;
        let outputs = self.session.run_with_options(values.as_slice(), &control.options);
        match outputs {
            Ok(outputs) => Ok(Outputs { outputs }),
            Err(_) if control.is_stopped() => Err(EngineError::Stopped),
            Err(error) => Err(EngineError::at_run(&error)),
        }
    }
}
