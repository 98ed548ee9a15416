//! The loaded models by key. A load happens once however many calls wait for it, and holds up no other key.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ortolan_domain::{TenantSlug, Timestamp};
use ortolan_engine::Device;
use tokio::sync::watch;

use crate::answer::ModelFacts;
use crate::error::RunnerError;
use crate::supervisor::groups::Lease;
use crate::supervisor::info::CachedModel;
use crate::supervisor::source::ModelKey;

/// A model in a runner. The runner forgets it once the cache and all calls have let go of it.
#[derive(Debug)]
pub(super) struct LoadedModel {
    pub(super) lease: Arc<Lease>,
    pub(super) number: u32,
    pub(super) facts: Arc<ModelFacts>,
    pub(super) sha256: String,
    pub(super) size_bytes: u64,
    pub(super) device: Device,
    pub(super) loaded_at: Timestamp,
    /// By how much its runner grew while it was loaded.
    pub(super) memory_bytes: Option<u64>,
    /// When it was last asked for, as the cache counts.
    pub(super) last_used: AtomicU64,
    /// How long its last run took in microseconds, or [`NEVER_RAN`].
    pub(super) last_run_us: AtomicU64,
}

/// Stands for the time of a run that never was.
pub(super) const NEVER_RAN: u64 = u64::MAX;

impl LoadedModel {
    /// What it counts for against a limit: what was measured, but at least the file.
    fn cost_bytes(&self) -> u64 {
        self.memory_bytes.unwrap_or(0).max(self.size_bytes)
    }
}

impl Drop for LoadedModel {
    fn drop(&mut self) {
        self.lease.unload(self.number);
    }
}

/// How a load ended.
pub(super) type LoadOutcome = Result<Arc<LoadedModel>, RunnerError>;
type Pending = watch::Receiver<Option<LoadOutcome>>;

#[derive(Debug)]
enum Entry {
    Loading { sha256: String, pending: Pending },
    Ready(Arc<LoadedModel>),
}

impl Entry {
    fn ready(&self) -> Option<&Arc<LoadedModel>> {
        match self {
            Self::Ready(model) => Some(model),
            Self::Loading { .. } => None,
        }
    }
}

/// What the cache says to a call.
pub(super) enum Lookup {
    /// Here it is.
    Ready(Arc<LoadedModel>),
    /// Somebody loads it already.
    Wait(Pending),
    /// The caller has to load it, and to tell the others.
    Load(LoadTurn),
}

/// The right and the duty to load one model.
pub(super) struct LoadTurn {
    cache: Arc<ModelCache>,
    key: ModelKey,
    sha256: String,
    tell: watch::Sender<Option<LoadOutcome>>,
}

/// How much may be loaded.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CacheLimits {
    pub(super) models: Option<usize>,
    pub(super) bytes: Option<u64>,
}

/// The loaded models by key.
#[derive(Debug)]
pub(super) struct ModelCache {
    entries: Mutex<HashMap<ModelKey, Entry>>,
    limits: CacheLimits,
    uses: AtomicU64,
    evictions: AtomicU64,
}

impl ModelCache {
    pub(super) fn new(limits: CacheLimits) -> Self {
        let (uses, evictions) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { entries: Mutex::default(), limits, uses, evictions }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<ModelKey, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Models that the limits have unloaded so far.
    pub(super) fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }

    /// Unloads the models longest unused until the limits are kept; one in use stays, whatever the limits say.
    pub(super) fn trim(&self) {
        while let Some((key, model)) = self.evict_one() {
            self.evictions.fetch_add(1, Ordering::Relaxed);
            tracing::info!(cache_key = %key, size_bytes = model.size_bytes, "a model was unloaded for the cache's limits");
            // Dropped outside of the lock, as it tells a runner to forget a model.
            drop(model);
        }
    }

    fn evict_one(&self) -> Option<(ModelKey, Arc<LoadedModel>)> {
        let mut entries = self.entries();
        let ready = || entries.iter().filter_map(|(key, entry)| entry.ready().map(|model| (key, model)));
        let (count, bytes) = ready().fold((0, 0), |(count, bytes), (_, model)| (count + 1, bytes + model.cost_bytes()));
        let is_over = |used, limit: Option<u64>| limit.is_some_and(|limit| used > limit);
        // The last one stays: a limit that is smaller than any model must not unload what was just loaded.
        if count < 2 || !(self.limits.models.is_some_and(|most| count > most) || is_over(bytes, self.limits.bytes)) {
            return None;
        }
        let newest = ready().map(|(_, model)| model.last_used.load(Ordering::Relaxed)).max();
        let idle = ready().filter(|(_, model)| Arc::strong_count(model) == 1);
        let oldest =
            idle.map(|(key, model)| (model.last_used.load(Ordering::Relaxed), key)).min_by_key(|(used, _)| *used);
        let key = oldest.filter(|(used, _)| Some(*used) != newest)?.1.clone();
        match entries.remove(&key) {
            Some(Entry::Ready(model)) => Some((key, model)),
            _ => None,
        }
    }

    fn touch(&self, model: &LoadedModel) {
        model.last_used.store(self.uses.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Looks a model up; a dead runner or another digest counts as a miss.
    pub(super) fn look_up(self: &Arc<Self>, key: &ModelKey, sha256: &str) -> Lookup {
        let mut entries = self.entries();
        match entries.get(key) {
            Some(Entry::Ready(model)) if model.sha256 == sha256 && model.lease.is_alive() => {
                self.touch(model);
                return Lookup::Ready(Arc::clone(model));
            }
            Some(Entry::Loading { sha256: loading, pending }) if loading == sha256 => {
                return Lookup::Wait(pending.clone());
            }
            _ => {}
        }
        let (tell, pending) = watch::channel(None);
        let replaced = entries.insert(key.clone(), Entry::Loading { sha256: sha256.to_owned(), pending });
        drop(entries);
        // Outside of the lock, as it may tell a runner to forget a model.
        drop(replaced);
        Lookup::Load(LoadTurn { cache: Arc::clone(self), key: key.clone(), sha256: sha256.to_owned(), tell })
    }

    /// Forgets the models of a tenant, or all; says how many were loaded.
    pub(super) fn clear(&self, tenant: Option<&TenantSlug>) -> usize {
        let mut entries = self.entries();
        let (gone, kept): (HashMap<_, _>, HashMap<_, _>) =
            entries.drain().partition(|(key, _)| tenant.is_none_or(|tenant| key.tenant() == tenant));
        *entries = kept;
        drop(entries);
        gone.values().filter(|entry| matches!(entry, Entry::Ready(_))).count()
    }

    /// Forgets one model; says whether it was loaded.
    pub(super) fn unload(&self, key: &ModelKey) -> bool {
        let gone = self.entries().remove(key);
        // Dropped outside of the lock, as it tells a runner to forget a model.
        matches!(gone, Some(Entry::Ready(_)))
    }

    /// Forgets the models of one runner.
    pub(super) fn clear_runner(&self, lease: &Arc<Lease>) {
        self.forget(|model| Arc::ptr_eq(&model.lease, lease));
    }

    /// Forgets the models of runners that have ended.
    pub(super) fn forget_dead(&self) {
        self.forget(|model| !model.lease.is_alive());
    }

    fn forget(&self, concerned: impl Fn(&LoadedModel) -> bool) {
        let mut entries = self.entries();
        let gone = entries.extract_if(|_, entry| matches!(entry, Entry::Ready(model) if concerned(model)));
        let gone: Vec<_> = gone.collect();
        drop(entries);
        // Outside of the lock, as it may tell a runner to forget a model.
        drop(gone);
    }

    /// All loaded models, sorted by key.
    pub(super) fn list(&self) -> Vec<CachedModel> {
        let entries = self.entries();
        let loaded = entries.iter().filter_map(|(key, entry)| match entry {
            Entry::Ready(model) if model.lease.is_alive() => Some(CachedModel {
                key: key.to_string(),
                tenant: key.tenant().clone(),
                model: key.model.name,
                device: model.device.to_string(),
                sha256: model.sha256.clone(),
                size_bytes: model.size_bytes,
                loaded_at: model.loaded_at,
                memory_bytes: model.memory_bytes,
                facts: Arc::clone(&model.facts),
            }),
            _ => None,
        });
        let mut list: Vec<_> = loaded.collect();
        list.sort_by(|a, b| a.key.cmp(&b.key));
        list
    }
}

impl LoadTurn {
    /// Lets the one who loads wait like the others.
    pub(super) fn pending(&self) -> Pending {
        self.tell.subscribe()
    }

    /// Keeps the outcome and tells all who wait. A failure is not kept: the next call tries again.
    pub(super) fn finish(self, outcome: LoadOutcome) {
        let mut entries = self.cache.entries();
        // Another digest, or a clearing, may have taken the place meanwhile; who waits here still gets this outcome.
        if matches!(entries.get(&self.key), Some(Entry::Loading { sha256, .. }) if *sha256 == self.sha256) {
            outcome.iter().for_each(|model| self.cache.touch(model));
            match &outcome {
                Ok(model) => entries.insert(self.key.clone(), Entry::Ready(Arc::clone(model))),
                Err(_) => entries.remove(&self.key),
            };
        }
        drop(entries);
        self.cache.trim();
        self.tell.send_replace(Some(outcome));
    }
}

/// Waits until the one who loads is done.
pub(super) async fn outcome_of(mut pending: Pending) -> LoadOutcome {
    let done = pending.wait_for(Option::is_some).await;
    let outcome = done.ok().and_then(|outcome| outcome.clone());
    outcome.unwrap_or_else(|| Err(RunnerError::Spawn("the load was given up".to_owned())))
}
