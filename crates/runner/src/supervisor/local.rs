//! Serves calls in this process, for installations that trust their models. Nothing here survives a model that crashes
//! or hangs.

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ortolan_engine::Engine;
use tokio::sync::watch;

use crate::error::RunnerError;
use crate::supervisor::calls::Reply;
use crate::supervisor::context::CallContext;
use crate::supervisor::host::Request;
use crate::wire::message::{OwnedPart, Part};
use crate::wire::protocol::{SessionSettings, error_of};
use crate::work::{Call, Sink, Workbench};

/// The workbench of this process.
#[derive(Debug)]
pub(super) struct Local {
    bench: Workbench,
    next: AtomicU64,
    under_way: AtomicUsize,
    slots: usize,
}

/// Opens the runtime, which a process can do only once.
pub(super) fn open_engine(library: &Path) -> Result<Engine, RunnerError> {
    static ENGINE: Mutex<Option<Engine>> = Mutex::new(None);
    let mut opened = ENGINE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(engine) = opened.as_ref() {
        return Ok(engine.clone());
    }
    let engine = Engine::open(library).map_err(|error| RunnerError::Spawn(error.to_string()))?;
    Ok(opened.insert(engine).clone())
}

impl Local {
    pub(super) fn new(engine: Engine, sessions: SessionSettings, picture_limit_px: u64, slots: u32) -> Self {
        let bench = Workbench::new(engine, sessions, picture_limit_px);
        Self { bench, next: AtomicU64::new(0), under_way: AtomicUsize::new(0), slots: slots as usize }
    }

    pub(super) async fn call(self: &Arc<Self>, request: Request, context: CallContext) -> Reply {
        let bounds = context.bounds();
        bounds.check()?;
        let (place, id) = self.seat()?;
        let (local, permit, progress) = (Arc::clone(self), context.permit, context.progress);
        let serve = move || {
            let _held = (place, permit);
            local.serve(id, &request, progress)
        };
        // Dropping the guard stops the run, also when the caller is dropped.
        let guard = StopOnDrop { local: self, id, armed: true };
        let mut work = tokio::task::spawn_blocking(serve);
        let reply = tokio::select! {
            reply = &mut work => reply,
            why = bounds.exceeded() => {
                self.bench.cancel(id);
                work.await.ok();
                guard.disarm();
                return Err(why);
            }
        };
        guard.disarm();
        reply.unwrap_or_else(|_| Err(RunnerError::RunFailed("the call failed inside of the service".to_owned())))
    }

    /// A place for a call, and its number.
    pub(super) fn seat(self: &Arc<Self>) -> Result<(Place, u64), RunnerError> {
        Ok((Place::take(self)?, self.next.fetch_add(1, Ordering::Relaxed) + 1))
    }

    /// Stops a call.
    pub(super) fn cancel(&self, id: u64) {
        self.bench.cancel(id);
    }

    /// Serves a call on this thread.
    pub(super) fn serve(&self, id: u64, request: &Request, progress: Option<watch::Sender<f32>>) -> Reply {
        let parts = request.parts();
        let call = Call {
            id,
            operation: request.operation,
            model: request.model,
            parts: &parts,
            attachment: request.attachment.as_deref(),
            limits: self.bench.limits,
        };
        let mut answer = Kept { parts: Vec::new(), progress };
        match self.bench.serve(&call, &mut answer) {
            Ok(()) => Ok(answer.parts),
            Err(failure) => Err(error_of(failure.status, &failure.words)),
        }
    }

    pub(super) fn unload(&self, model: u32) {
        self.bench.unload(model);
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }
}

/// One of the calls that may be under way.
pub(super) struct Place(Arc<Local>);

impl Place {
    fn take(local: &Arc<Local>) -> Result<Self, RunnerError> {
        let place = Self(Arc::clone(local));
        if local.under_way.fetch_add(1, Ordering::Relaxed) >= local.slots {
            return Err(RunnerError::Overloaded);
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

struct StopOnDrop<'a> {
    local: &'a Local,
    id: u64,
    armed: bool,
}

impl StopOnDrop<'_> {
    fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.local.bench.cancel(self.id);
        }
    }
}

/// Keeps an answer and passes on how far it is.
struct Kept {
    parts: Vec<OwnedPart>,
    progress: Option<watch::Sender<f32>>,
}

impl Sink for Kept {
    fn put(&mut self, parts: &[Part<'_>]) -> bool {
        self.parts = parts.iter().map(|part| part.copied()).collect();
        true
    }

    fn progress(&mut self, share: f32) {
        if let Some(progress) = &self.progress {
            progress.send_replace(share);
        }
    }
}
