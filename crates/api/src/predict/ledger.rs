//! Hits, misses and drops of the prediction cache, and whose models crashed.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ortolan_domain::TenantId;
use ortolan_service::telemetry::metrics::cache_asked;

/// Hits and misses since the last reset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Answers out of the cache.
    pub hits: u64,
    /// Questions that were not in it.
    pub misses: u64,
    /// Answers that were dropped because their model changed.
    pub dropped: u64,
}

impl Counts {
    /// How many questions there were.
    pub fn total(self) -> u64 {
        self.hits + self.misses
    }

    /// The share of hits in percent; 0 without a question.
    pub fn hit_rate_percent(self) -> f64 {
        if self.total() == 0 { 0.0 } else { self.hits as f64 * 100.0 / self.total() as f64 }
    }
}

/// Hits and misses of each tenant in this process.
#[derive(Default)]
pub struct Ledger(Mutex<HashMap<TenantId, Counts>>);

impl Ledger {
    pub(crate) fn hit(&self, tenant: TenantId) {
        cache_asked("prediction", true);
        self.counts().entry(tenant).or_default().hits += 1;
    }

    pub(crate) fn miss(&self, tenant: TenantId) {
        cache_asked("prediction", false);
        self.counts().entry(tenant).or_default().misses += 1;
    }

    pub(crate) fn dropped(&self, tenant: TenantId, count: u64) {
        if count > 0 {
            self.counts().entry(tenant).or_default().dropped += count;
        }
    }

    /// The tenant's counts, or everybody's.
    pub(crate) fn read(&self, tenant: Option<TenantId>) -> Counts {
        let counts = self.counts();
        match tenant {
            Some(tenant) => counts.get(&tenant).copied().unwrap_or_default(),
            None => counts.values().fold(Counts::default(), |sum, one| Counts {
                hits: sum.hits + one.hits,
                misses: sum.misses + one.misses,
                dropped: sum.dropped + one.dropped,
            }),
        }
    }

    /// Begins again with the tenant's counts, or with everybody's.
    pub(crate) fn reset(&self, tenant: Option<TenantId>) {
        match tenant {
            Some(tenant) => drop(self.counts().remove(&tenant)),
            None => self.counts().clear(),
        }
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<TenantId, Counts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tenants whose models crashed since this process started.
#[derive(Default)]
pub struct Crashed(Mutex<HashSet<TenantId>>);

impl Crashed {
    pub(crate) fn insert(&self, tenant: TenantId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant);
    }

    pub(crate) fn contains(&self, tenant: TenantId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&tenant)
    }
}
