//! The leases that a worker holds, and the one heartbeat that keeps them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ortolan_domain::job::Attempt;
use tokio_util::sync::CancellationToken;

/// The leases held by this worker, each with the token that stops its run.
#[derive(Default)]
pub(crate) struct Leases(Mutex<HashMap<Attempt, CancellationToken>>);

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
        self.held().insert(attempt, lost.clone());
        Lease { leases: self, attempt, lost }
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
        if let Some(lost) = self.held().get(&attempt) {
            lost.cancel();
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Attempt, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.leases.held().remove(&self.attempt);
    }
}
