//! What is known of keys and tenants for a few seconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ortolan_domain::Timestamp;
use ortolan_store::Tenant;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use super::Caller;
use super::credentials::Digest;

/// More entries than this are not kept.
const CAPACITY: usize = 10_000;

/// Counts the times that everything was forgotten: what was read before the latest one must not be kept after it.
pub type Generation = u64;

/// Keys and tenants as they were a moment ago. Only what exists is kept, so that guessing keys fills nothing.
pub struct AuthCache(Mutex<Entries>);

struct Entries {
    keys: HashMap<Digest, (Arc<Caller>, Timestamp)>,
    tenants: HashMap<String, (Arc<Tenant>, Timestamp)>,
    generation: Generation,
    changes: Receiver<()>,
}

impl AuthCache {
    /// Empty, and emptied again whenever `changes` says that keys changed somewhere.
    pub fn new(changes: Receiver<()>) -> Self {
        Self(Mutex::new(Entries { keys: HashMap::new(), tenants: HashMap::new(), generation: 0, changes }))
    }

    /// The holder of a key, and the generation to hand to [`Self::keep_key`] when it must be looked up.
    pub fn key(&self, digest: &Digest, now: Timestamp) -> (Option<Arc<Caller>>, Generation) {
        let entries = self.current();
        (fresh(entries.keys.get(digest), now), entries.generation)
    }

    /// Keeps the holder of a key until then, unless something changed since it was looked up.
    pub fn keep_key(&self, digest: Digest, caller: Arc<Caller>, until: Timestamp, generation: Generation) {
        let mut entries = self.current();
        if entries.generation == generation {
            make_room(&mut entries.keys);
            entries.keys.insert(digest, (caller, until));
        }
    }

    /// A tenant by the name or id it was asked for with, and the generation.
    pub fn tenant(&self, wish: &str, now: Timestamp) -> (Option<Arc<Tenant>>, Generation) {
        let entries = self.current();
        (fresh(entries.tenants.get(wish), now), entries.generation)
    }

    /// Keeps a tenant until then, unless something changed since it was looked up.
    pub fn keep_tenant(&self, wish: &str, tenant: Arc<Tenant>, until: Timestamp, generation: Generation) {
        let mut entries = self.current();
        if entries.generation == generation {
            make_room(&mut entries.tenants);
            entries.tenants.insert(wish.to_owned(), (tenant, until));
        }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.current().forget();
    }

    /// The entries after every change that was announced so far.
    fn current(&self) -> MutexGuard<'_, Entries> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match entries.changes.try_recv() {
                Ok(()) | Err(TryRecvError::Lagged(_)) => entries.forget(),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return entries,
            }
        }
    }
}

impl Entries {
    fn forget(&mut self) {
        self.keys.clear();
        self.tenants.clear();
        self.generation += 1;
    }
}

fn fresh<T>(entry: Option<&(Arc<T>, Timestamp)>, now: Timestamp) -> Option<Arc<T>> {
    entry.filter(|(_, until)| now < *until).map(|(value, _)| Arc::clone(value))
}

fn make_room<K, V>(entries: &mut HashMap<K, V>) {
    // Entries live for seconds, so that starting over is as good as finding the oldest.
    if entries.len() >= CAPACITY {
        entries.clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ortolan_domain::Scopes;
    use tokio::sync::broadcast;

    use super::*;

    fn caller() -> Arc<Caller> {
        Arc::new(Caller { key: None, scopes: Scopes::default(), tenant: None })
    }

    #[test]
    fn an_entry_is_known_until_it_is_too_old() {
        let (_sender, changes) = broadcast::channel(4);
        let cache = AuthCache::new(changes);
        let at = Timestamp::from_micros;
        cache.keep_key([1; 32], caller(), at(10), 0);
        assert!(cache.key(&[1; 32], at(9)).0.is_some());
        assert!(cache.key(&[1; 32], at(10)).0.is_none());
        assert!(cache.key(&[2; 32], at(9)).0.is_none());
    }

    #[test]
    fn a_change_drops_what_is_known_and_what_is_being_looked_up() {
        let (sender, changes) = broadcast::channel(4);
        let cache = AuthCache::new(changes);
        let at = Timestamp::from_micros;
        cache.keep_key([1; 32], caller(), at(10), 0);
        let (_, before) = cache.key(&[2; 32], at(1));
        sender.send(()).unwrap();
        cache.keep_key([2; 32], caller(), at(10), before);
        assert!(cache.key(&[1; 32], at(1)).0.is_none());
        assert!(cache.key(&[2; 32], at(1)).0.is_none());
    }

    #[test]
    fn more_signals_than_the_channel_holds_are_a_change_too() {
        let (sender, changes) = broadcast::channel(1);
        let cache = AuthCache::new(changes);
        cache.keep_key([1; 32], caller(), Timestamp::from_micros(10), 0);
        (0..5).for_each(|_| drop(sender.send(())));
        assert!(cache.key(&[1; 32], Timestamp::from_micros(1)).0.is_none());
    }
}
