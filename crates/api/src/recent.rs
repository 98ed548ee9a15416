//! What was found out about tenants' models a moment ago, so that a burst of requests asks for it once. Signals of changed models drop
//! it at once, here and in other processes.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ortolan_domain::model::ModelRef;
use ortolan_domain::{TenantSlug, Timestamp};
use ortolan_results::Signals;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

/// The most findings that are kept.
const MOST: usize = 10_000;

/// Findings about tenants' models, each kept for a moment.
pub struct Recent<K, V> {
    kept: Duration,
    known: Mutex<Known<K, V>>,
}

struct Known<K, V> {
    found: HashMap<K, Found<V>>,
    changes: Receiver<ModelRef>,
}

struct Found<V> {
    tenant: TenantSlug,
    value: V,
    until: Timestamp,
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    /// Keeps findings for so long without looking again.
    pub fn new(signals: &Signals, kept: Duration) -> Self {
        Self { kept, known: Mutex::new(Known { found: HashMap::new(), changes: signals.model_changes() }) }
    }

    /// What was found a moment ago.
    pub fn recall(&self, key: &K, now: Timestamp) -> Option<V> {
        let mut known = self.known();
        known.forget_changed();
        known.found.get(key).filter(|found| found.until > now).map(|found| found.value.clone())
    }

    /// Keeps what was just found about a model of the tenant's.
    pub fn keep(&self, key: K, tenant: &TenantSlug, value: V, now: Timestamp) {
        let mut known = self.known();
        // What changed while it was looked up is dropped with it.
        let changed = known.forget_changed();
        if changed.is_none_or(|tenants| tenants.contains(tenant)) {
            return;
        }
        if known.found.len() >= MOST {
            known.found.clear();
        }
        known.found.insert(key, Found { tenant: tenant.clone(), value, until: now.plus(self.kept) });
    }

    /// Forgets what was found about the tenant's models, before the signal arrives.
    pub fn forget(&self, tenant: &TenantSlug) {
        self.known().found.retain(|_, found| found.tenant != *tenant);
    }

    fn known(&self) -> MutexGuard<'_, Known<K, V>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> Known<K, V> {
    /// Forgets the findings about tenants whose models changed, and names those; `None` when that can be anybody.
    fn forget_changed(&mut self) -> Option<Vec<TenantSlug>> {
        let mut changed = Vec::new();
        loop {
            match self.changes.try_recv() {
                Ok(model) => changed.push(model.tenant),
                Err(TryRecvError::Lagged(_)) => {
                    self.found.clear();
                    return None;
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        if !changed.is_empty() {
            self.found.retain(|_, found| !changed.contains(&found.tenant));
        }
        Some(changed)
    }
}
