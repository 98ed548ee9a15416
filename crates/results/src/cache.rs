//! Small values that may be forgotten at any time, and counters for rate limits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use ortolan_domain::{Clock, Timestamp};

use crate::expiring::{Expiring, Limits};
use crate::redis::Redis;

/// What a cache inside of one process may hold.
const VALUES: Limits = Limits { entries: 100_000, bytes: 256 << 20 };
/// How many counters it may hold.
const COUNTERS: Limits = Limits { entries: 100_000, bytes: usize::MAX };

/// Values with a time to live. Cheap to clone. A store that fails or is slow is a miss, and is never waited for long.
#[derive(Clone)]
pub struct Cache {
    clock: Arc<dyn Clock>,
    place: Place,
}

#[derive(Clone)]
enum Place {
    InProcess(Arc<Mutex<Shelf>>),
    Redis(Redis),
}

struct Shelf {
    values: Expiring<String, Bytes>,
    counters: Expiring<String, u64>,
}

impl Cache {
    /// A cache inside of this process, bounded.
    pub fn in_process(clock: Arc<dyn Clock>) -> Self {
        let shelf = Shelf { values: Expiring::new(VALUES), counters: Expiring::new(COUNTERS) };
        Self { clock, place: Place::InProcess(Arc::new(Mutex::new(shelf))) }
    }

    /// A cache on Redis; the clock only tells the windows of counters apart.
    pub fn redis(redis: &Redis, clock: Arc<dyn Clock>) -> Self {
        Self { clock, place: Place::Redis(redis.clone()) }
    }

    /// The value under `key`, if it is there and can be had.
    pub async fn get(&self, key: &str) -> Option<Bytes> {
        match &self.place {
            Place::InProcess(shelf) => lock(shelf).values.get(key, self.clock.now()).cloned(),
            Place::Redis(redis) => redis.cached(key).await,
        }
    }

    /// Puts a value under `key` for `ttl`, or does nothing when that cannot be done.
    pub async fn set(&self, key: &str, value: Bytes, ttl: Duration) {
        match &self.place {
            Place::InProcess(shelf) => lock(shelf).values.insert(key.to_owned(), value, self.clock.now(), ttl),
            Place::Redis(redis) => redis.cache(key, value, ttl).await,
        }
    }

    /// Forgets the value under `key`.
    pub async fn delete(&self, key: &str) {
        match &self.place {
            Place::InProcess(shelf) => lock(shelf).values.remove(key),
            Place::Redis(redis) => redis.uncache(key).await,
        }
    }

    /// Forgets the values whose keys begin with `prefix`; returns how many. In a very large shared cache some may be left to
    /// expire.
    pub async fn delete_prefix(&self, prefix: &str) -> u64 {
        match &self.place {
            Place::InProcess(shelf) => lock(shelf).values.remove_where(|key| key.starts_with(prefix)),
            Place::Redis(redis) => redis.uncache_prefix(prefix).await,
        }
    }

    /// True unless the store is passed over at the moment because it does not answer.
    pub fn answers(&self) -> bool {
        match &self.place {
            Place::InProcess(_) => true,
            Place::Redis(redis) => redis.is_asked(),
        }
    }

    /// Counts one more under `key` and returns how many there are in the present window, this one included; windows of
    /// length `window` follow each other from 1970 on. `None` when the store does not answer.
    pub async fn count(&self, key: &str, window: Duration) -> Option<u64> {
        let now = self.clock.now();
        let window_us = i64::try_from(window.as_micros()).unwrap_or(i64::MAX).max(1);
        let key = format!("{key}:{}", now.as_micros().div_euclid(window_us));
        match &self.place {
            Place::InProcess(shelf) => Some(count(&mut lock(shelf).counters, key, now, window)),
            Place::Redis(redis) => redis.count(&key, window).await,
        }
    }
}

fn count(counters: &mut Expiring<String, u64>, key: String, now: Timestamp, window: Duration) -> u64 {
    if let Some(count) = counters.get_mut(&key, now) {
        *count += 1;
        return *count;
    }
    counters.insert(key, 1, now, window);
    1
}

fn lock(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}
