//! What is done after tasks have ended: webhooks are sent, results posted to the backend, pictures given their names.
//!
//! Flow: a task's end writes deliveries in its own transaction, and rings; [`CallbackSender::run`] takes what is due under a lease,
//! does it, and writes down how it went. What fails for a passing reason is tried again, later each time, up to a limit;
//! then it is dead, and its tenant can read why.
//!
//! Invariants: nothing is done before the end of a task is durable; a delivery is with one sender at a time; a sender that dies
//! in the middle leaves the delivery to the next one, which does it again under the same id; one tenant's slow receivers take up
//! a share of the places and no more.

mod body;
mod pictures;
mod sender;
mod under_way;
mod webhook;

use std::time::Duration;

use ortolan_outbound::OutboundError;
use ortolan_store::StoreError;

pub use sender::{Backend, CallbackSender, CallbackSettings, SenderParts};

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tried {
    /// It is done; the status of the answer, if there was one.
    Done(Option<u16>),
    /// It may work later.
    Later(Why),
    /// It never will.
    Never(Why),
}

/// Why a try failed, in words for the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Why {
    answer: Option<u16>,
    reason: String,
    /// How long the receiver wants to be left alone.
    retry_after: Option<Duration>,
}

impl Why {
    fn new(reason: impl Into<String>) -> Self {
        Self { answer: None, reason: reason.into(), retry_after: None }
    }
}

impl From<OutboundError> for Tried {
    fn from(error: OutboundError) -> Self {
        let (answer, retry_after) = match error {
            OutboundError::Status(status) => (Some(status), None),
            OutboundError::Busy { status, retry_after } => (Some(status), Some(retry_after)),
            _ => (None, None),
        };
        let why = Why { answer, reason: error.to_string(), retry_after };
        if error.may_pass() { Self::Later(why) } else { Self::Never(why) }
    }
}

impl From<StoreError> for Tried {
    fn from(error: StoreError) -> Self {
        tracing::warn!(error = &error as &dyn std::error::Error, "a delivery's task could not be read");
        Self::Later(Why::new("the database did not answer"))
    }
}
