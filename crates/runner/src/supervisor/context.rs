//! What bounds a call.

use std::any::Any;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What bounds a call: who may stop it, when it must be over, and what it holds.
#[derive(Default)]
pub struct CallContext {
    /// Stops the call: first politely, then by killing its runner after the grace.
    pub cancel: CancellationToken,
    /// When the call must be over; past it, it is stopped like a cancelled one.
    pub deadline: Option<Instant>,
    /// Kept until the runner has really let go of the call, even when the caller's future is dropped before; meant for
    /// the permit of the device.
    pub permit: Option<Box<dyn Any + Send>>,
}

impl std::fmt::Debug for CallContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallContext").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl CallContext {
    /// A call that `cancel` stops and that has no deadline.
    pub fn cancelled_by(cancel: CancellationToken) -> Self {
        Self { cancel, deadline: None, permit: None }
    }

    /// The same call with a deadline.
    pub fn with_deadline(self, deadline: Instant) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    /// The same call, which keeps `permit` until the runner has let go of it.
    pub fn with_permit(self, permit: impl Any + Send) -> Self {
        Self { permit: Some(Box::new(permit)), ..self }
    }
}
