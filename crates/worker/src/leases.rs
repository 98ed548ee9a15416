//! The leases that a worker holds, and the one heartbeat that keeps them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ortolan_domain::job::Attempt;
use tokio_util::sync::CancellationToken;

/// The leases held by this worker, each with what its run is told.
#[derive(Default)]
pub(crate) struct Leases(Mutex<HashMap<Attempt, Held>>);

/// What is kept of a lease.
struct Held {
    lost: CancellationToken,
    abandoned: CancellationToken,
    is_handed_over: bool,
    /// Which share of the run is done, until the database has heard of it.
    progress: Option<f64>,
}

/// A lease that is held until this is dropped.
pub(crate) struct Lease<'a> {
    leases: &'a Leases,
    attempt: Attempt,
    /// Cancelled when the lease is lost.
    pub(crate) lost: CancellationToken,
    /// Cancelled when no result will come any more.
    pub(crate) abandoned: CancellationToken,
}

impl Leases {
    /// Starts to hold a lease.
    pub(crate) fn hold(&self, attempt: Attempt) -> Lease<'_> {
        let (lost, abandoned) = (CancellationToken::new(), CancellationToken::new());
        let held = Held { lost: lost.clone(), abandoned: abandoned.clone(), is_handed_over: false, progress: None };
        self.held().insert(attempt, held);
        Lease { leases: self, attempt, lost, abandoned }
    }

    /// The attempts that the ML service should have.
    pub(crate) fn handed_over(&self) -> Vec<Attempt> {
        self.held().iter().filter(|(_, held)| held.is_handed_over).map(|(attempt, _)| *attempt).collect()
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

    /// Tells a run that no result will come.
    pub(crate) fn abandon(&self, attempt: Attempt) {
        if let Some(held) = self.held().get(&attempt) {
            held.abandoned.cancel();
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Attempt, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease<'_> {
    /// Notes that the ML service should have the attempt from now on.
    pub(crate) fn handed_over(&self) {
        if let Some(held) = self.leases.held().get_mut(&self.attempt) {
            held.is_handed_over = true;
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.leases.held().remove(&self.attempt);
    }
}
