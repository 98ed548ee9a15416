//! The sessions of one model, lent to one run at a time each.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, PoisonError};

use ortolan_engine::{RunControl, Session};

use crate::work::lock;

/// The sessions of one model. Decoding and interpreting go on outside, so that a session is only lent while it runs.
#[derive(Debug)]
pub(super) struct Sessions {
    idle: Mutex<Vec<Session>>,
    changed: Condvar,
}

/// A session that goes back when it is dropped.
#[derive(Debug)]
pub(super) struct Lent<'a> {
    home: &'a Sessions,
    session: Option<Session>,
}

impl Sessions {
    pub(super) fn new(sessions: Vec<Session>) -> Self {
        Self { idle: Mutex::new(sessions), changed: Condvar::new() }
    }

    /// Waits for a session; nothing when the call is stopped first.
    pub(super) fn take(&self, control: &RunControl) -> Option<Lent<'_>> {
        let mut idle = lock(&self.idle);
        loop {
            if control.is_stopped() {
                return None;
            }
            if let Some(session) = idle.pop() {
                return Some(Lent { home: self, session: Some(session) });
            }
            idle = self.changed.wait(idle).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets calls that wait see that they were stopped.
    pub(super) fn wake_waiting(&self) {
        // The lock makes sure that no call is between its look and its sleep.
        drop(lock(&self.idle));
        self.changed.notify_all();
    }
}

impl Deref for Lent<'_> {
    type Target = Session;

    #[allow(clippy::expect_used, reason = "the session leaves only in drop")]
    fn deref(&self) -> &Session {
        self.session.as_ref().expect("a lent session is there until it is dropped")
    }
}

impl DerefMut for Lent<'_> {
    #[allow(clippy::expect_used, reason = "the session leaves only in drop")]
    fn deref_mut(&mut self) -> &mut Session {
        self.session.as_mut().expect("a lent session is there until it is dropped")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        lock(&self.home.idle).extend(self.session.take());
        self.home.changed.notify_one();
    }
}
