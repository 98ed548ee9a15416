//! What bounds a call.

use std::any::Any;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::error::RunnerError;

/// What bounds a call: who may stop it, when it must be over, and what it holds.
#[derive(Default)]
pub struct CallContext {
    /// Stops the call: first politely, then by killing its runner after the grace. None where only dropping it does.
    pub cancel: Option<CancellationToken>,
    /// When the call must be over; past it, it is stopped like a cancelled one.
    pub deadline: Option<Instant>,
    /// Kept until the runner has really let go of the call, even when the caller's future is dropped before; meant for
    /// the permit of the device.
    pub permit: Option<Box<dyn Any + Send + Sync>>,
    /// Hears which share of a long call is done, 0 to 1.
    pub progress: Option<watch::Sender<f32>>,
}

impl std::fmt::Debug for CallContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallContext").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl CallContext {
    /// A call that `cancel` stops and that has no deadline.
    pub fn cancelled_by(cancel: CancellationToken) -> Self {
        Self { cancel: Some(cancel), ..Self::default() }
    }

    /// The same call with a deadline.
    pub fn with_deadline(self, deadline: Instant) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    /// The same call, which tells `progress` how far it is.
    pub fn with_progress(self, progress: watch::Sender<f32>) -> Self {
        Self { progress: Some(progress), ..self }
    }

    /// The same call, which keeps `permit` until the runner has let go of it.
    pub fn with_permit(self, permit: impl Any + Send + Sync) -> Self {
        Self { permit: Some(Box::new(permit)), ..self }
    }
}

/// The part of a context that can be waited for.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    cancel: Option<CancellationToken>,
    deadline: Option<Instant>,
}

impl CallContext {
    pub(super) fn bounds(&self) -> Bounds {
        Bounds { cancel: self.cancel.clone(), deadline: self.deadline }
    }
}

impl Bounds {
    /// Fails when the call is over already.
    pub(super) fn check(&self) -> Result<(), RunnerError> {
        if self.cancel.as_ref().is_some_and(CancellationToken::is_cancelled) {
            return Err(RunnerError::Cancelled);
        }
        if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(RunnerError::DeadlineExceeded);
        }
        Ok(())
    }

    /// Ends when the call has to.
    pub(super) async fn exceeded(&self) -> RunnerError {
        let deadline = async {
            match self.deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let Some(cancel) = &self.cancel else {
            deadline.await;
            return RunnerError::DeadlineExceeded;
        };
        tokio::select! {
            () = cancel.cancelled() => RunnerError::Cancelled,
            () = deadline => RunnerError::DeadlineExceeded,
        }
    }

    /// Waits for `work`, but no longer than the call may last.
    pub(super) async fn limit<T>(&self, work: impl Future<Output = T>) -> Result<T, RunnerError> {
        tokio::select! {
            done = work => Ok(done),
            why = self.exceeded() => Err(why),
        }
    }
}
