//! The leases that a worker holds, and the one heartbeat that keeps them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ortolan_domain::job::Attempt;
use tokio_util::sync::CancellationToken;

/// The leases held by this worker, each with what its run is told.
#[derive(Default)]
pub(crate) struct Leases(Mutex<HashMap<Attempt, Held>>);

struct Held {
    lost: CancellationToken,
    abandoned: CancellationToken,
    is_handed_over: bool,
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
        let held = Held { lost: lost.clone(), abandoned: abandoned.clone(), is_handed_over: false };
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
