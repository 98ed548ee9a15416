//! Results of inference, on their way from the ML service to the worker that asked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use ortolan_domain::job::Attempt;
use ortolan_domain::{Clock, Timestamp};

use crate::ResultsError;
use crate::expiring::{Expiring, Limits};
use crate::redis::Redis;
use crate::watchers::Watchers;

/// How long a result is kept.
pub const RESULT_TTL: Duration = Duration::from_secs(1_800);
/// How long it is known that there was one, and that an attempt was taken.
pub const DONE_TTL: Duration = Duration::from_secs(24 * 3_600);

const FIRST_POLL: Duration = Duration::from_secs(1);
const LONGEST_POLL: Duration = Duration::from_secs(30);
/// What may be kept inside of one process.
const RESULTS: Limits = Limits { entries: 100_000, bytes: 512 << 20 };
/// Marks are small.
const MARKS: Limits = Limits { entries: 1_000_000, bytes: usize::MAX };

/// What came of waiting for a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waited {
    /// The result.
    Found(Bytes),
    /// There was one, but it is gone.
    Expired,
    /// There was none in time.
    TimedOut,
}

/// Results of inference by attempt. Cheap to clone.
#[derive(Clone)]
pub struct ResultStore {
    clock: Arc<dyn Clock>,
    waiters: Arc<Watchers<Attempt, ()>>,
    place: Place,
}

#[derive(Clone)]
enum Place {
    InProcess(Arc<Mutex<Shelf>>),
    Redis(Redis),
}

struct Shelf {
    results: Expiring<Attempt, Bytes>,
    done: Expiring<Attempt, ()>,
    locks: Expiring<Attempt, ()>,
}

impl ResultStore {
    /// Results inside of this process, bounded.
    pub fn in_process(clock: Arc<dyn Clock>) -> Self {
        let shelf = Shelf { results: Expiring::new(RESULTS), done: Expiring::new(MARKS), locks: Expiring::new(MARKS) };
        Self { clock, waiters: Watchers::new(), place: Place::InProcess(Arc::new(Mutex::new(shelf))) }
    }

    /// Results on Redis.
    pub fn redis(redis: &Redis, clock: Arc<dyn Clock>) -> Self {
        Self { clock, waiters: Arc::clone(redis.waiters()), place: Place::Redis(redis.clone()) }
    }

    /// Keeps an attempt's result for [`RESULT_TTL`], marks the attempt as done for [`DONE_TTL`], and wakes who waits for it.
    pub async fn put(&self, attempt: Attempt, bytes: Bytes) -> Result<(), ResultsError> {
        match &self.place {
            Place::InProcess(shelf) => {
                let now = self.clock.now();
                let mut shelf = lock(shelf);
                shelf.results.insert(attempt, bytes, now, RESULT_TTL);
                shelf.done.insert(attempt, (), now, DONE_TTL);
            }
            Place::Redis(redis) => redis.put_result(attempt, bytes).await?,
        }
        self.waiters.notify([(attempt, ())]);
        Ok(())
    }

    /// Waits for an attempt's result until `until`: woken by a signal, and looking by itself after 1, 2, 4 and so on up to
    /// 30 seconds in case the signal was lost. A store that fails meanwhile is asked again; only its last answer counts.
    pub async fn wait(&self, attempt: Attempt, until: Timestamp) -> Result<Waited, ResultsError> {
        let mut watch = self.waiters.watch(attempt);
        let mut pause = FIRST_POLL;
        loop {
            let looked = self.look(attempt).await;
            if let Ok(Some(found)) = looked {
                return Ok(found);
            }
            let left = until.since(self.clock.now());
            if left.is_zero() {
                return looked.map(|_| Waited::TimedOut);
            }
            // A timeout is the poll that stands in for a lost signal.
            let _ = tokio::time::timeout(pause.min(left), watch.changed()).await;
            pause = (pause * 2).min(LONGEST_POLL);
        }
    }

    /// Forgets an attempt's result; that it was done stays known.
    pub async fn delete(&self, attempt: Attempt) -> Result<(), ResultsError> {
        match &self.place {
            Place::InProcess(shelf) => lock(shelf).results.remove(&attempt),
            Place::Redis(redis) => redis.delete_result(attempt).await?,
        }
        Ok(())
    }

    /// Takes an attempt for this caller alone; false when it was taken within the last [`DONE_TTL`].
    pub async fn take_lock(&self, attempt: Attempt) -> Result<bool, ResultsError> {
        match &self.place {
            Place::InProcess(shelf) => {
                let now = self.clock.now();
                let mut shelf = lock(shelf);
                let free = shelf.locks.get(&attempt, now).is_none();
                if free {
                    shelf.locks.insert(attempt, (), now, DONE_TTL);
                }
                Ok(free)
            }
            Place::Redis(redis) => redis.take_lock(attempt).await,
        }
    }

    /// Attempts whose results were not fetched yet, at most `limit`.
    pub async fn waiting(&self, limit: usize) -> Result<Vec<Attempt>, ResultsError> {
        match &self.place {
            Place::InProcess(shelf) => Ok(lock(shelf).results.keys(self.clock.now()).take(limit).copied().collect()),
            Place::Redis(redis) => redis.results_waiting(limit).await,
        }
    }

    async fn look(&self, attempt: Attempt) -> Result<Option<Waited>, ResultsError> {
        match &self.place {
            Place::InProcess(shelf) => {
                let (shelf, now) = (lock(shelf), self.clock.now());
                let found = shelf.results.get(&attempt, now).cloned().map(Waited::Found);
                Ok(found.or_else(|| shelf.done.get(&attempt, now).map(|()| Waited::Expired)))
            }
            Place::Redis(redis) => redis.look_for_result(attempt).await,
        }
    }
}

fn lock(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}
