//! Counts of runners that died.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ortolan_domain::TenantSlug;
use serde::Serialize;

/// How many runners of a tenant died of one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeathCount {
    /// Whose runners; absent when tenants share them.
    pub tenant: Option<TenantSlug>,
    /// Of what.
    pub cause: DeathCause,
    /// How many since the start.
    pub count: u64,
}

/// What a runner died of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeathCause {
    /// A signal of its own making.
    Crashed,
    /// It ended by itself.
    Exited,
    /// It could not get memory.
    OutOfMemory,
    /// It did not stop when told to, and was killed.
    Hung,
    /// It broke the protocol, and was killed.
    Misbehaved,
}

/// The counts of a pool.
#[derive(Debug, Default)]
pub(super) struct Deaths(Mutex<BTreeMap<(Option<TenantSlug>, DeathCause), u64>>);

impl Deaths {
    pub(super) fn count(&self, tenant: Option<&TenantSlug>, cause: DeathCause) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((tenant.cloned(), cause)).or_default() += 1;
    }

    pub(super) fn list(&self) -> Vec<DeathCount> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let list = counts.iter().map(|((tenant, cause), count)| DeathCount {
            tenant: tenant.clone(),
            cause: *cause,
            count: *count,
        });
        list.collect()
    }
}
