//! The leases that a worker holds, and the one heartbeat that keeps them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ortolan_domain::job::Attempt;
use tokio_util::sync::CancellationToken;

/// The leases held by this worker, each with the token that stops its run.
#[derive(Default)]
pub(crate) struct Leases(Mutex<HashMap<Attempt, Held>>);

/// What is kept of a lease.
struct Held {
    lost: CancellationToken,
    /// Which share of the run is done, until the database has heard of it.
    progress: Option<f64>,
}

/// A lease that is held until this is dropped.
pub(crate) struct Lease<'a> {
    leases: &'a Leases,
    attempt: Attempt,
    /// Cancelled when the lease is lost.
    pub(crate) lost: CancellationToken,
}

impl Leases {
    /// Starts to hold a lease.
    pub(crate) fn hold(&self, attempt: Attempt) -> Lease<'_> {
        let lost = CancellationToken::new();
        self.held().insert(attempt, Held { lost: lost.clone(), progress: None });
        Lease { leases: self, attempt, lost }
    }

    /// The attempts whose leases are held.
    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        self.held().keys().copied().collect()
    }

    /// The attempts whose leases are held, each with what the database has not heard yet of its progress.
    pub(crate) fn take_all(&self) -> Vec<(Attempt, Option<f64>)> {
        self.held().iter_mut().map(|(attempt, held)| (*attempt, held.progress.take())).collect()
    }

    /// Only those of whose progress there is something that the database has not heard yet.
    pub(crate) fn take_news(&self) -> Vec<(Attempt, Option<f64>)> {
        let mut held = self.held();
        let news = held.iter_mut().map(|(attempt, held)| (*attempt, held.progress.take()));
        news.filter(|(_, progress)| progress.is_some()).collect()
    }

    /// Hears how far a run is; true when it is one of ours.
    pub(crate) fn progress(&self, attempt: Attempt, share: f64) -> bool {
        let mut leases = self.held();
        let held = leases.get_mut(&attempt);
        held.map(|held| held.progress = Some(share.clamp(0.0, 1.0))).is_some()
    }

    /// How many leases are held.
    pub(crate) fn count(&self) -> usize {
        self.held().len()
    }

    /// Stops a run whose lease is lost.
    pub(crate) fn lose(&self, attempt: Attempt) {
        if let Some(held) = self.held().get(&attempt) {
            held.lost.cancel();
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Attempt, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.leases.held().remove(&self.attempt);
    }
}
