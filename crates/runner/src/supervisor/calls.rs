//! The calls of one runner: which slots are free, who waits for which, and how it ended.

use std::any::Any;
use std::collections::HashMap;

use tokio::sync::{oneshot, watch};

use crate::error::RunnerError;
use crate::wire::message::OwnedPart;

/// How a call ended.
pub(super) type Reply = Result<Vec<OwnedPart>, RunnerError>;

/// A slot that was given to a call.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) slot: u32,
    pub(super) id: u64,
    pub(super) answer: oneshot::Receiver<Reply>,
}

struct Waiting {
    id: u64,
    answer: oneshot::Sender<Reply>,
    /// Dropped with the slot, when the runner has let go of the call.
    _permit: Option<Box<dyn Any + Send + Sync>>,
    progress: Option<watch::Sender<f32>>,
}

/// An answer came that nobody waits for: the runner broke the protocol.
#[derive(Debug, PartialEq)]
pub(super) struct Unexpected;

/// Free slots and waiting calls. All of this is private to the service; a runner can change nothing of it.
pub(super) struct Calls {
    count: u64,
    free: Vec<u32>,
    waiting: HashMap<u32, Waiting>,
    /// Calls put into the queue so far.
    pub(super) tail: u32,
    end: Option<RunnerError>,
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Calls").field("free", &self.free.len()).field("end", &self.end).finish_non_exhaustive()
    }
}

impl Calls {
    pub(super) fn new(slots: u32) -> Self {
        // The last one given back is the next one taken, so that few slots ever use memory.
        Self { count: 0, free: (0..slots).rev().collect(), waiting: HashMap::new(), tail: 0, end: None }
    }

    /// Gives a slot to a new call.
    pub(super) fn reserve(
        &mut self,
        permit: Option<Box<dyn Any + Send + Sync>>,
        progress: Option<watch::Sender<f32>>,
    ) -> Result<Ticket, RunnerError> {
        let (sender, answer) = oneshot::channel();
        let (slot, id) = self.seat(sender, permit, progress).map_err(|(error, _)| error)?;
        Ok(Ticket { slot, id, answer })
    }

    /// Gives a slot to a new call whose answer goes to `answer`, which comes back when there is none.
    pub(super) fn seat(
        &mut self,
        answer: oneshot::Sender<Reply>,
        permit: Option<Box<dyn Any + Send + Sync>>,
        progress: Option<watch::Sender<f32>>,
    ) -> Result<(u32, u64), (RunnerError, oneshot::Sender<Reply>)> {
        if let Some(end) = &self.end {
            return Err((end.clone(), answer));
        }
        let Some(slot) = self.free.pop() else { return Err((RunnerError::Overloaded, answer)) };
        self.count += 1;
        let id = self.count << 8 | u64::from(slot);
        self.waiting.insert(slot, Waiting { id, answer, _permit: permit, progress });
        Ok((slot, id))
    }

    /// True when whoever waited in the slot has gone.
    pub(super) fn is_deserted(&self, slot: u32) -> bool {
        self.waiting.get(&slot).is_some_and(|waiting| waiting.answer.is_closed())
    }

    /// Takes back a slot whose call never went to the runner.
    pub(super) fn give_back(&mut self, slot: u32) {
        if self.waiting.remove(&slot).is_some() {
            self.free.push(slot);
        }
    }

    /// Hears from the runner how far a call is; what it says of a call that is not under way is forgotten.
    pub(super) fn progress(&self, id: u64, share: f32) {
        let waiting = self.waiting.get(&slot_of(id)).filter(|waiting| waiting.id == id);
        if let Some(progress) = waiting.and_then(|waiting| waiting.progress.as_ref()) {
            progress.send_replace(share.clamp(0.0, 1.0));
        }
    }

    /// True while the runner has the call.
    pub(super) fn is_waiting(&self, id: u64) -> bool {
        self.waiting.get(&slot_of(id)).is_some_and(|waiting| waiting.id == id)
    }

    /// True when somebody waits for that very answer in that slot.
    pub(super) fn expects(&self, slot: u32, id: u64) -> Result<(), Unexpected> {
        let expected = self.waiting.get(&slot).is_some_and(|waiting| waiting.id == id);
        if expected { Ok(()) } else { Err(Unexpected) }
    }

    /// Hands an answer over and frees the slot.
    pub(super) fn finish(&mut self, slot: u32, reply: Reply) {
        if let Some(waiting) = self.waiting.remove(&slot) {
            self.free.push(slot);
            // The caller may be gone; its slot is free all the same.
            waiting.answer.send(reply).ok();
        }
    }

    /// The runner ended: all that wait fail with it, and so do all that come.
    pub(super) fn end(&mut self, error: RunnerError) {
        self.end = Some(error.clone());
        for (_, waiting) in self.waiting.drain() {
            waiting.answer.send(Err(error.clone())).ok();
        }
    }

    /// How many calls are under way.
    pub(super) fn under_way(&self) -> usize {
        self.waiting.len()
    }

    /// True until the runner ended.
    pub(super) fn is_alive(&self) -> bool {
        self.end.is_none()
    }
}

fn slot_of(id: u64) -> u32 {
    u32::from(id as u8)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_answer_counts_only_for_the_call_it_belongs_to() {
        let mut calls = Calls::new(2);
        let mut first = calls.reserve(None, None).unwrap();
        assert_eq!(calls.expects(first.slot, first.id), Ok(()));
        assert_eq!(calls.expects(first.slot, first.id + 256), Err(Unexpected), "the id of another call");
        assert_eq!(calls.expects(1 - first.slot, first.id), Err(Unexpected), "another slot");
        assert_eq!(calls.expects(77, first.id), Err(Unexpected), "no slot at all");
        calls.finish(first.slot, Ok(vec![]));
        assert_eq!(first.answer.try_recv().unwrap(), Ok(vec![]));
        assert_eq!(calls.expects(first.slot, first.id), Err(Unexpected), "answered twice");
    }

    #[test]
    fn a_permit_lives_as_long_as_its_slot() {
        let permit = std::sync::Arc::new(());
        let mut calls = Calls::new(1);
        let ticket = calls.reserve(Some(Box::new(permit.clone())), None).unwrap();
        let (slot, id) = (ticket.slot, ticket.id);
        drop(ticket);
        assert!(calls.is_waiting(id), "the runner still has it");
        assert!(matches!(calls.reserve(None, None), Err(RunnerError::Overloaded)));
        assert_eq!(std::sync::Arc::strong_count(&permit), 2);
        calls.finish(slot, Ok(vec![]));
        assert_eq!(std::sync::Arc::strong_count(&permit), 1);
        assert!(calls.reserve(None, None).is_ok());
    }

    #[test]
    fn progress_is_heard_of_the_call_alone_and_kept_in_range() {
        let (progress, heard) = watch::channel(0.0);
        let mut calls = Calls::new(1);
        let ticket = calls.reserve(None, Some(progress)).unwrap();
        calls.progress(ticket.id, 0.5);
        assert_eq!(*heard.borrow(), 0.5);
        calls.progress(ticket.id + 256, 0.7);
        calls.progress(77, 0.7);
        assert_eq!(*heard.borrow(), 0.5, "another call's");
        calls.progress(ticket.id, 4e6);
        assert_eq!(*heard.borrow(), 1.0);
        calls.finish(ticket.slot, Ok(vec![]));
        calls.progress(ticket.id, 0.2);
        assert_eq!(*heard.borrow(), 1.0, "it is over");
    }

    #[test]
    fn the_end_reaches_all_who_wait_and_all_who_come() {
        let mut calls = Calls::new(2);
        let mut ticket = calls.reserve(None, None).unwrap();
        calls.end(RunnerError::Crashed { signal: 8 });
        assert_eq!(ticket.answer.try_recv().unwrap(), Err(RunnerError::Crashed { signal: 8 }));
        assert!(matches!(calls.reserve(None, None), Err(RunnerError::Crashed { signal: 8 })));
        assert!(!calls.is_alive());
    }
}
