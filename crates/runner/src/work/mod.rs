//! What a runner does with a call: decode, prepare, run, interpret. Used inside of a child process, or without one when
//! isolation is off.

mod ahead;
mod convert;
mod infer;
mod model;
mod pictures;
mod probe;
mod sessions;
mod tiles;
mod trial;
mod vision;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use ortolan_engine::{Engine, RunControl};
use ortolan_media::DecodeLimits;

use crate::wire::message::{Part, PartKind};
use crate::wire::protocol::{Failure, Operation, PrepareRequest, SessionSettings, Status};
use ahead::Ahead;
use model::Model;
use pictures::Pictures;

/// Where an answer goes. Called at most once for a call.
pub(crate) trait Sink {
    /// Takes the parts of an answer; false when they do not fit.
    fn put(&mut self, parts: &[Part<'_>]) -> bool;

    /// Hears which share of a long call is done, 0 to 1; may be called as often as one likes.
    fn progress(&mut self, share: f32);
}

/// One call, wherever its bytes lie.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) id: u64,
    pub(crate) operation: Operation,
    pub(crate) model: u32,
    pub(crate) parts: &'a [Part<'a>],
    /// What was too large for a slot: a model, or a large medium.
    pub(crate) attachment: Option<&'a [u8]>,
    /// How large a picture may be.
    pub(crate) limits: DecodeLimits,
}

/// Loaded models and calls under way.
#[derive(Debug)]
pub(crate) struct Workbench {
    engine: Engine,
    sessions: SessionSettings,
    /// How large the pictures of calls may be.
    pub(crate) limits: DecodeLimits,
    models: RwLock<HashMap<u32, Arc<Model>>>,
    pictures: Pictures,
    ahead: Ahead,
    /// Calls under way, and calls that were cancelled before they began.
    calls: Mutex<HashMap<u64, CallState>>,
}

#[derive(Debug)]
enum CallState {
    Running(Arc<RunControl>),
    CancelledEarly,
}

/// Cancels that came after their call's end are forgotten once so many calls have begun since.
const FORGET_AFTER: usize = 256;

impl Workbench {
    pub(crate) fn new(engine: Engine, sessions: SessionSettings, picture_limit_px: u64) -> Self {
        let limits = DecodeLimits { max_pixels: picture_limit_px, ..DecodeLimits::default() };
        let (models, calls) = (RwLock::default(), Mutex::default());
        let (pictures, ahead) = (Pictures::default(), Ahead::default());
        Self { engine, sessions, limits, models, pictures, ahead, calls }
    }

    /// Serves a call; what it answers goes into `sink` unless it fails.
    pub(crate) fn serve(&self, call: &Call<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
        let control = Arc::new(RunControl::new()?);
        self.begin(call.id, &control);
        // A panic in a decoder must not take a worker away.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.dispatch(call, &control, sink)));
        lock(&self.calls).remove(&call.id);
        match outcome {
            Ok(_) if control.is_stopped() => Err(Failure::new(Status::Stopped, "the call was cancelled")),
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::new(Status::RunFailed, "the call failed inside of the service")),
        }
    }

    fn dispatch(&self, call: &Call<'_>, control: &RunControl, sink: &mut dyn Sink) -> Result<(), Failure> {
        if control.is_stopped() {
            return Err(Failure::new(Status::Stopped, "the call was cancelled"));
        }
        match call.operation {
            Operation::Load => self.load(call, sink),
            Operation::Vision => vision::serve(&*self.model(call.model)?, call, control, sink),
            Operation::Probe => probe::serve(call, sink),
            Operation::Infer => infer::serve(&*self.model(call.model)?, call, control, sink),
            Operation::Trial => trial::serve(&*self.model(call.model)?, control, sink),
            Operation::Hold => self.pictures.hold(call, sink),
            Operation::VisionHeld => vision::serve_held(&*self.model(call.model)?, &self.pictures, call, control, sink),
            Operation::Prepare => {
                let request: PrepareRequest = json_of_call(call)?;
                self.ahead.prepare(&*self.model(request.model)?, request, call, sink)
            }
            Operation::VisionPrepared => self.ahead.look(&*self.model(call.model)?, call, control, sink),
            Operation::Draw => self.pictures.draw(call, sink),
            Operation::Encode => self.pictures.encode(call, sink),
            Operation::Read => self.pictures.read(call, sink),
        }
    }

    /// Stops a call, whether it runs, waits or has not come yet.
    pub(crate) fn cancel(&self, id: u64) {
        let mut calls = lock(&self.calls);
        if let Some(CallState::Running(control)) = calls.insert(id, CallState::CancelledEarly) {
            control.stop();
            calls.insert(id, CallState::Running(control));
        }
        if calls.len() > FORGET_AFTER {
            calls.retain(|_, state| matches!(state, CallState::Running(_)));
        }
        drop(calls);
        let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
        models.values().for_each(|model| model.sessions.wake_waiting());
    }

    /// Forgets a model, or a picture, once no call uses it.
    pub(crate) fn unload(&self, number: u32) {
        let model = self.models.write().unwrap_or_else(PoisonError::into_inner).remove(&number);
        if self.pictures.forget(number) || self.ahead.forget(number) || model.is_some() {
            drop(model);
            // SAFETY: gives freed memory back to the system; touches nothing that is in use.
            unsafe { libc::malloc_trim(0) };
        }
    }

    /// How long the last run of a model took in microseconds.
    pub(crate) fn last_run_us(&self, number: u32) -> u32 {
        self.model(number).map_or(u32::MAX, |model| model.last_run_us.load(Ordering::Relaxed))
    }

    fn load(&self, call: &Call<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
        let model = Model::load(&self.engine, &self.sessions, call)?;
        put_json(sink, &model.facts)?;
        self.models.write().unwrap_or_else(PoisonError::into_inner).insert(call.model, Arc::new(model));
        Ok(())
    }

    fn model(&self, number: u32) -> Result<Arc<Model>, Failure> {
        let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
        models.get(&number).cloned().ok_or_else(|| Failure::new(Status::RunFailed, "the model is not loaded"))
    }

    fn begin(&self, id: u64, control: &Arc<RunControl>) {
        let mut calls = lock(&self.calls);
        if let Some(CallState::CancelledEarly) = calls.insert(id, CallState::Running(Arc::clone(control))) {
            control.stop();
        }
    }
}

/// Nothing panics while it holds one of these locks in the middle of a change.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The JSON that comes with a call.
fn json_of_call<T: serde::de::DeserializeOwned>(call: &Call<'_>) -> Result<T, Failure> {
    let json = call.parts.iter().find(|part| part.kind == PartKind::Json);
    let read = json.and_then(|part| serde_json::from_slice(part.bytes).ok());
    read.ok_or_else(|| Failure::bad_input("the options cannot be read"))
}

/// Answers with JSON.
fn put_json<T: serde::Serialize>(sink: &mut dyn Sink, value: &T) -> Result<(), Failure> {
    let json =
        serde_json::to_vec(value).map_err(|_| Failure::new(Status::RunFailed, "the answer cannot be written"))?;
    put(sink, &[Part::json(&json)])
}

fn put(sink: &mut dyn Sink, parts: &[Part<'_>]) -> Result<(), Failure> {
    if sink.put(parts) {
        return Ok(());
    }
    Err(Failure::new(Status::TooLarge, "the answer is larger than an answer may be"))
}
