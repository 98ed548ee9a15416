//! Small numbers that live processes of a kind hold, each its own: they name it in cache keys and pick its device.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use crate::ResultsError;
use crate::redis::Redis;

/// How often a holder says that it lives.
const PERIOD: Duration = Duration::from_secs(1);
/// After so long without a word anybody may take a holder's number.
pub(crate) const LEASE: Duration = Duration::from_secs(30);
/// After so long without a word a process of the same host takes it: a holder that was killed and is started again.
pub(crate) const SAME_HOST_LEASE: Duration = Duration::from_secs(3);
/// How long a process waits to see whether a holder on its host is gone.
const PATIENCE: Duration = Duration::from_secs(4);
/// Pause between two looks, and between two tries to reach the server.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The register of numbers. Cheap to clone.
#[derive(Clone)]
pub struct Numbers(Place);

#[derive(Clone)]
enum Place {
    InProcess,
    Redis(Redis),
}

/// Who asks for a number.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    /// A name that no other process has.
    pub(crate) name: String,
    pub(crate) host: String,
    /// The smallest number that it takes.
    pub(crate) from: u32,
}

/// A number that this process holds until it is released or dropped.
pub struct Number {
    current: Arc<AtomicU32>,
    keeping: Option<(Redis, Holder, AbortOnDropHandle<()>)>,
}

impl Numbers {
    /// A process that is alone has the number that it asks for.
    pub fn in_process() -> Self {
        Self(Place::InProcess)
    }

    /// All processes on one Redis have different numbers.
    pub fn redis(redis: &Redis) -> Self {
        Self(Place::Redis(redis.clone()))
    }

    /// Takes the number that `host` had before, if it is free, else the smallest free one from `from` on. Waits for a server that
    /// does not answer.
    ///
    /// A process that is cut off from the server for longer than the lease may lose its number to another one; when it is back
    /// it takes a new one.
    pub async fn hold(&self, host: &str, from: u32) -> Number {
        let Place::Redis(redis) = &self.0 else { return Number::fixed(from) };
        let holder = Holder { name: format!("{:032x}", rand::random::<u128>()), host: host.to_owned(), from };
        let number = claim(redis, &holder).await;
        tracing::info!(number, "this process has its number");
        let current = Arc::new(AtomicU32::new(number));
        let keeping = tokio::spawn(keep(redis.clone(), holder.clone(), Arc::clone(&current)));
        Number { current, keeping: Some((redis.clone(), holder, AbortOnDropHandle::new(keeping))) }
    }
}

impl Number {
    /// A number that nobody else asks for.
    pub fn fixed(number: u32) -> Self {
        Self { current: Arc::new(AtomicU32::new(number)), keeping: None }
    }

    /// The number at present.
    pub fn get(&self) -> u32 {
        self.current.load(Ordering::Relaxed)
    }

    /// Lets others have it from now on.
    pub async fn release(&self) {
        let Some((redis, holder, keeping)) = &self.keeping else { return };
        keeping.abort();
        if let Err(error) = redis.release_number(holder, self.get()).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the number stays taken until its lease ends");
        }
    }
}

/// Tries until there is an answer.
async fn claim(redis: &Redis, holder: &Holder) -> u32 {
    let began = tokio::time::Instant::now();
    let mut pause = PAUSE;
    loop {
        match redis.claim_number(holder, began.elapsed() < PATIENCE).await {
            Ok(Some(number)) => return number,
            Ok(None) => pause = PAUSE,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, ?pause, "waiting for Redis");
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// Says that the holder lives, until it is aborted.
async fn keep(redis: Redis, holder: Holder, current: Arc<AtomicU32>) {
    loop {
        tokio::time::sleep(PERIOD).await;
        let number = current.load(Ordering::Relaxed);
        match redis.keep_number(&holder, number).await {
            Ok(true) => {}
            Ok(false) => {
                let other = claim(&redis, &holder).await;
                tracing::warn!(number, other, "another process has this number now; this one takes another");
                current.store(other, Ordering::Relaxed);
            }
            Err(error) => report(&error),
        }
    }
}

fn report(error: &ResultsError) {
    tracing::debug!(error = error as &dyn std::error::Error, "this process could not say that it has its number");
}
