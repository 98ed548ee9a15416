//! Tries an uploaded model in a runner of its own, with tight limits, which is thrown away afterwards.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ortolan_domain::{Slot, hash};
use ortolan_engine::Device;
use tokio::time::Instant;

use crate::answer::{ModelFacts, ModelReport, Trial};
use crate::error::RunnerError;
use crate::scan::{self, ScanFacts};
use crate::settings::{RunnerSettings, ValidationSettings};
use crate::supervisor::context::{Bounds, CallContext};
use crate::supervisor::host::{Request, malformed};
use crate::supervisor::info::resident;
use crate::supervisor::pool::{Inner, load_request};
use crate::supervisor::process::Process;
use crate::supervisor::spawn::Launch;
use crate::wire::protocol::{Hello, LoadOptions, Operation, SessionSettings, json_of};

/// The only model of such a runner.
const MODEL: u32 = 1;

/// Scans, loads and tries a model.
pub(super) async fn validate(
    inner: &Inner,
    model: Bytes,
    slot: Option<Slot>,
    context: CallContext,
) -> Result<ModelReport, RunnerError> {
    let bounds = context.bounds();
    let _turn = bounds.limit(inner.validations.acquire()).await?.map_err(|_| RunnerError::Killed)?;
    let (scan, sha256) = bounds.limit(look_at(model.clone())).await??;
    let settings = &inner.settings;
    let launch = Launch::new(settings, hello(settings, model.len()), "validation".to_owned());
    let (process, _) = bounds.limit(launch.start()).await??;
    let attempt = Attempt { process, limits: settings.validation, bounds, context: &context };
    let empty = resident(attempt.process.pid()).now_bytes;
    // A model need not be for a slot, but what its metadata says of it must hold: who reads that would be misled.
    let options = LoadOptions { slot: slot.or(scan.claims), is_claim: slot.is_none() };
    let facts = attempt.load(&options, model.clone()).await?;
    let loaded = attempt.peak();
    let (trial, trial_failure) = match attempt.run(slot).await? {
        Ran::ToItsEnd(trial) => (Some(trial), None),
        Ran::NotAtAll => (None, None),
        // Neither will it run with any other input.
        Ran::Into(reason) if scan.ignores_inputs => return Err(RunnerError::ModelRefused { reason }),
        Ran::Into(failure) => (None, Some(failure)),
    };
    // A runner that died in the trial has no memory any more.
    let peak = attempt.peak().max(loaded);
    Ok(ModelReport {
        facts,
        sha256,
        size_bytes: model.len() as u64,
        words: scan.words,
        trial,
        trial_failure,
        memory_bytes: peak.saturating_sub(empty),
    })
}

/// Scans and hashes, away from the event loop.
async fn look_at(model: Bytes) -> Result<(ScanFacts, String), RunnerError> {
    let looked =
        tokio::task::spawn_blocking(move || scan::scan(&model).map(|facts| (facts, hash::sha256_hex(&model)))).await;
    let looked = looked.map_err(|_| RunnerError::ModelRefused { reason: "the file cannot be read".to_owned() })?;
    looked.map_err(|error| RunnerError::ModelRefused { reason: error.to_string() })
}

fn hello(settings: &RunnerSettings, model_bytes: usize) -> Hello {
    let limits = settings.validation;
    let memory = limits.base_memory_bytes.saturating_add(3 * model_bytes as u64).min(limits.memory_cap_bytes);
    let sessions = SessionSettings {
        device: Device::Cpu,
        gpu_memory_limit_bytes: settings.gpu_memory_limit_bytes,
        gpu_tf32: false,
        copies: 1,
        intra_threads: 1,
    };
    let small = RunnerSettings {
        memory_limit_bytes: memory,
        slots: 2,
        workers: 1,
        pictures_ahead: Some(0),
        ..settings.clone()
    };
    Hello { sessions, ..small.hello(Device::Cpu) }
}

/// How a trial run went.
enum Ran {
    ToItsEnd(Trial),
    /// No input could be made up.
    NotAtAll,
    Into(String),
}

struct Attempt<'a> {
    process: Arc<Process>,
    limits: ValidationSettings,
    bounds: Bounds,
    context: &'a CallContext,
}

impl Attempt<'_> {
    fn peak(&self) -> u64 {
        resident(self.process.pid()).peak_bytes
    }

    async fn load(&self, options: &LoadOptions, model: Bytes) -> Result<ModelFacts, RunnerError> {
        let loaded = self.call(load_request(MODEL, options, model)?, self.limits.load_timeout).await;
        let parts = loaded.map_err(|error| self.blame(error, "loading the model", self.limits.load_timeout))?;
        json_of(&parts).ok_or_else(malformed)
    }

    /// For a slot the trial must succeed. Any other model may need inputs that cannot be made up, so that a failure says
    /// little; it is only reported.
    async fn run(&self, slot: Option<Slot>) -> Result<Ran, RunnerError> {
        let timeout = self.limits.run_timeout;
        let error = match self.call(Request::new(Operation::Trial, MODEL), timeout).await {
            Ok(parts) => return json_of::<Trial>(&parts).map(Ran::ToItsEnd).ok_or_else(malformed),
            Err(error) => error,
        };
        match (slot, self.blame(error, "a trial run of the model", timeout)) {
            (None, RunnerError::TooLarge(_)) => Ok(Ran::NotAtAll),
            (None, RunnerError::ModelRefused { reason }) => Ok(Ran::Into(reason)),
            (_, error) => Err(error),
        }
    }

    async fn call(&self, request: Request, timeout: Duration) -> crate::supervisor::calls::Reply {
        let until = Instant::now() + timeout;
        let deadline = self.context.deadline.map_or(until, |deadline| deadline.min(until));
        let context =
            CallContext { cancel: self.context.cancel.clone(), ..CallContext::default() }.with_deadline(deadline);
        self.process.call(request, context).await
    }

    /// What went wrong, as the model's fault wherever it is.
    fn blame(&self, error: RunnerError, what: &str, timeout: Duration) -> RunnerError {
        if let Err(own) = self.bounds.check() {
            return own;
        }
        let reason = match error {
            RunnerError::DeadlineExceeded => format!("{what} took longer than {} s", timeout.as_secs_f32()),
            RunnerError::Crashed { signal } => format!("{what} crashed its process (signal {signal})"),
            RunnerError::Exited { .. } | RunnerError::Killed => format!("{what} ended its process"),
            RunnerError::OutOfMemory => format!("{what} needs more memory than a trial may have"),
            RunnerError::BadInput(words) | RunnerError::RunFailed(words) => format!("{what} failed: {words}"),
            other => return other,
        };
        RunnerError::ModelRefused { reason }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.process.retire();
    }
}
