//! What was promised: every task that the API has acknowledged.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It sleeps, or not even that.
    Noop,
    /// It finds the shapes of a picture.
    Detection,
}

/// An acknowledged task.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// Its id.
    pub id: String,
    /// The place of its tenant among the customers.
    pub customer: usize,
    /// What it does.
    pub kind: Kind,
}

#[derive(Default)]
struct Pages {
    accepted: Vec<Accepted>,
    cancels: u64,
    retries: u64,
    refusals: Vec<String>,
}

/// The ledger. Clones share it.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Pages>>);

impl Ledger {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes an acknowledged task.
    pub fn accept(&self, accepted: Accepted) {
        self.pages().accepted.push(accepted);
    }

    /// Counts a cancel that was answered.
    pub fn count_cancel(&self) {
        self.pages().cancels += 1;
    }

    /// Counts a retry that was answered.
    pub fn count_retry(&self) {
        self.pages().retries += 1;
    }

    /// Notes an answer that no fault explains.
    pub fn refuse(&self, what: String) {
        self.pages().refusals.push(what);
    }

    /// All acknowledged tasks.
    pub fn accepted(&self) -> Vec<Accepted> {
        self.pages().accepted.clone()
    }

    /// How many cancels and retries were answered.
    pub fn steered(&self) -> (u64, u64) {
        let pages = self.pages();
        (pages.cancels, pages.retries)
    }

    /// Answers that no fault explains.
    pub fn refusals(&self) -> Vec<String> {
        self.pages().refusals.clone()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
