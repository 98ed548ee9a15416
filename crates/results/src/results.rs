//! Results of inference, on their way from the ML service to the worker that asked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use ortolan_domain::job::Attempt;
use ortolan_domain::{Clock, Timestamp};

use crate::ResultsError;
use crate::expiring::{Expiring, Limits};
use crate::redis::Redis;
use crate::watchers::{Watch, Watchers};

/// How long a result is kept, unless told otherwise.
pub const RESULT_TTL: Duration = Duration::from_secs(1_800);
/// How long it is known that there was one, unless told otherwise.
pub const DONE_TTL: Duration = Duration::from_secs(24 * 3_600);
/// How long an attempt stays taken without [`ResultStore::keep_locks`]: whoever took it may die.
pub const LOCK_TTL: Duration = Duration::from_secs(12);

const FIRST_POLL: Duration = Duration::from_secs(1);
const LONGEST_POLL: Duration = Duration::from_secs(30);
/// What may be kept inside of one process.
const RESULTS: Limits = Limits { entries: 100_000, bytes: 512 << 20 };
/// Marks are small.
const MARKS: Limits = Limits { entries: 1_000_000, bytes: usize::MAX };

const USUALLY: Kept = Kept { result: RESULT_TTL, done: DONE_TTL };

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

/// A result that somebody waits for.
pub struct Expected {
    attempt: Attempt,
    watch: Watch<Attempt, ()>,
}

/// Results of inference by attempt. Cheap to clone.
#[derive(Clone)]
pub struct ResultStore {
    clock: Arc<dyn Clock>,
    waiters: Arc<Watchers<Attempt, ()>>,
    place: Place,
    kept: Kept,
}

/// How long what is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    /// A result.
    pub(crate) result: Duration,
    /// That there was one.
    pub(crate) done: Duration,
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

impl Shelf {
    fn take(&mut self, attempt: Attempt, now: Timestamp) -> bool {
        let free = !self.knows(attempt, now);
        if free {
            self.locks.insert(attempt, (), now, LOCK_TTL);
        }
        free
    }

    /// True when somebody holds the attempt or it has ended; a result is always marked as done, too.
    fn knows(&self, attempt: Attempt, now: Timestamp) -> bool {
        self.locks.get(&attempt, now).is_some() || self.done.get(&attempt, now).is_some()
    }
}

impl ResultStore {
    /// Results inside of this process, bounded.
    pub fn in_process(clock: Arc<dyn Clock>) -> Self {
        let shelf = Shelf { results: Expiring::new(RESULTS), done: Expiring::new(MARKS), locks: Expiring::new(MARKS) };
        Self { clock, waiters: Watchers::new(), place: Place::InProcess(Arc::new(Mutex::new(shelf))), kept: USUALLY }
    }

    /// Results on Redis.
    pub fn redis(redis: &Redis, clock: Arc<dyn Clock>) -> Self {
        Self { clock, waiters: Arc::clone(redis.waiters()), place: Place::Redis(redis.clone()), kept: USUALLY }
    }

    /// The same store, which keeps results for `result` instead of [`RESULT_TTL`], and for `done` instead of [`DONE_TTL`] that
    /// they were there.
    pub fn keeping(self, result: Duration, done: Duration) -> Self {
        Self { kept: Kept { result, done }, ..self }
    }

    /// Keeps an attempt's result for [`RESULT_TTL`], marks the attempt as done for [`DONE_TTL`], and wakes who waits for it.
    pub async fn put(&self, attempt: Attempt, bytes: Bytes) -> Result<(), ResultsError> {
        match &self.place {
            Place::InProcess(shelf) => {
                let now = self.clock.now();
                let mut shelf = lock(shelf);
                shelf.results.insert(attempt, bytes, now, self.kept.result);
                shelf.done.insert(attempt, (), now, self.kept.done);
            }
            Place::Redis(redis) => redis.put_result(attempt, bytes, self.kept).await?,
        }
        self.waiters.notify([(attempt, ())]);
        Ok(())
    }

    /// Hears of an attempt's result from now on. Who does so before the attempt is handed out misses nothing and need not look.
    pub fn expect(&self, attempt: Attempt) -> Expected {
        Expected { attempt, watch: self.waiters.watch(attempt) }
    }

    /// Waits for the result of an attempt that may have ended already, as [`ResultStore::wait_for`] does.
    pub async fn wait(&self, attempt: Attempt, until: Timestamp) -> Result<Waited, ResultsError> {
        let expected = self.expect(attempt);
        match self.look(attempt).await {
            Ok(Some(found)) => Ok(found),
            // An error is asked about again.
            Ok(None) | Err(_) => self.wait_for(expected, until).await,
        }
    }

    /// Waits for an expected result until `until`: woken by a signal, and looking by itself after 1, 2, 4 and so on up to
    /// 30 seconds in case the signal was lost. A store that fails meanwhile is asked again; only its last answer counts.
    pub async fn wait_for(&self, mut expected: Expected, until: Timestamp) -> Result<Waited, ResultsError> {
        let mut pause = FIRST_POLL;
        loop {
            let left = until.since(self.clock.now());
            // A timeout is the poll that stands in for a lost signal.
            let _ = tokio::time::timeout(pause.min(left), expected.watch.changed()).await;
            let looked = self.look(expected.attempt).await;
            if let Ok(Some(found)) = looked {
                return Ok(found);
            }
            if until.since(self.clock.now()).is_zero() {
                return looked.map(|_| Waited::TimedOut);
            }
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

    /// Takes an attempt for this caller alone, for [`LOCK_TTL`]; false when somebody holds it or its result was put.
    pub async fn take_lock(&self, attempt: Attempt) -> Result<bool, ResultsError> {
        match &self.place {
            Place::InProcess(shelf) => Ok(lock(shelf).take(attempt, self.clock.now())),
            Place::Redis(redis) => redis.take_lock(attempt).await,
        }
    }

    /// Keeps what was taken for [`LOCK_TTL`] more, also when the store has forgotten it.
    pub async fn keep_locks(&self, attempts: &[Attempt]) -> Result<(), ResultsError> {
        match &self.place {
            Place::InProcess(shelf) => {
                let (mut shelf, now) = (lock(shelf), self.clock.now());
                attempts.iter().for_each(|&attempt| shelf.locks.insert(attempt, (), now, LOCK_TTL));
                Ok(())
            }
            Place::Redis(redis) => redis.keep_locks(attempts).await,
        }
    }

    /// Gives up what was taken, without a result.
    pub async fn release_lock(&self, attempt: Attempt) -> Result<(), ResultsError> {
        match &self.place {
            Place::InProcess(shelf) => lock(shelf).locks.remove(&attempt),
            Place::Redis(redis) => redis.release_lock(attempt).await?,
        }
        Ok(())
    }

    /// Which of these attempts nobody holds and have no result: no result will come of them, unless they are delivered yet.
    pub async fn abandoned(&self, attempts: &[Attempt]) -> Result<Vec<Attempt>, ResultsError> {
        match &self.place {
            Place::InProcess(shelf) => {
                let (shelf, now) = (lock(shelf), self.clock.now());
                Ok(attempts.iter().copied().filter(|&attempt| !shelf.knows(attempt, now)).collect())
            }
            Place::Redis(redis) => redis.abandoned(attempts).await,
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
