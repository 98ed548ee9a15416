//! The worker itself: what it holds, how it takes deliveries, keeps its leases and stops.

use std::sync::Arc;
use std::time::Duration;

use ortolan_domain::task::TaskError;
use ortolan_domain::{Clock, ErrorCode};
use ortolan_queue::{Consumer, QueueError, Queues};
use ortolan_results::{ResultStore, Signals};
use ortolan_store::{Failure, Fate, QuarantineStore, TaskStore};
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::leases::Leases;
use crate::settings::WorkerSettings;

/// What a worker is made of.
pub struct WorkerParts {
    /// A name that no other incarnation of any worker has: the owner of its leases.
    pub id: String,
    /// The truth.
    pub tasks: Arc<dyn TaskStore>,
    /// Models and inputs that crash.
    pub quarantine: Arc<dyn QuarantineStore>,
    /// The queues.
    pub queues: Queues,
    /// Where results come from.
    pub results: ResultStore,
    /// Cancels.
    pub signals: Signals,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What an operator has set.
    pub settings: WorkerSettings,
}

/// A worker. Clones share it.
#[derive(Clone)]
pub struct Worker(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) parts: WorkerParts,
    pub(crate) leases: Leases,
    /// Rings when a run has got further.
    news: Notify,
    runs: TaskTracker,
}

/// Why a worker ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A queue cannot be consumed.
    #[error("a queue cannot be consumed")]
    Queue(#[from] QueueError),
}

impl Worker {
    /// Puts a worker together.
    pub fn new(parts: WorkerParts) -> Self {
        Self(Arc::new(Inner { parts, leases: Leases::default(), news: Notify::new(), runs: TaskTracker::new() }))
    }

    /// Takes deliveries until `stop`, then waits for the runs under way, whose leases are kept meanwhile.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), WorkerError> {
        let settings = &self.0.parts.settings;
        tracing::info!(worker_id = self.0.parts.id, queues = ?settings.queues, concurrency = settings.concurrency, "worker started");
        let heart = tokio::spawn(self.clone().beat());
        let ear = tokio::spawn(self.clone().listen());
        let outcome = self.consume(&stop).await;
        self.drain().await;
        heart.abort();
        ear.abort();
        tracing::info!(worker_id = self.0.parts.id, "worker stopped");
        outcome
    }

    async fn consume(&self, stop: &CancellationToken) -> Result<(), WorkerError> {
        let mut consumers = tokio::task::JoinSet::new();
        for &name in &self.0.parts.settings.queues {
            let (worker, stop) = (self.clone(), stop.clone());
            let queue = self.0.parts.queues.tasks(name).clone();
            let consumer = Consumer { name: self.0.parts.id.clone(), slots: self.0.parts.settings.concurrency };
            consumers.spawn(async move {
                let handler = move |delivered: ortolan_queue::Delivered<_>| {
                    let worker = worker.clone();
                    worker.0.runs.clone().spawn(async move {
                        worker.handle(delivered.job).await;
                        drop(delivered.slot);
                    });
                };
                queue.consume(consumer, stop, handler).await
            });
        }
        while let Some(ended) = consumers.join_next().await {
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        }
        Ok(())
    }

    /// Waits for the runs under way; what is left after the limit is given back, uncounted, for the next worker.
    async fn drain(&self) {
        self.0.runs.close();
        let left = self.0.runs.len();
        if left > 0 {
            tracing::info!(runs = left, "waiting for runs under way");
        }
        if tokio::time::timeout(self.0.parts.settings.drain, self.0.runs.wait()).await.is_err() {
            self.give_back().await;
        }
    }

    async fn give_back(&self) {
        let parts = &self.0.parts;
        let held = self.0.leases.attempts();
        tracing::warn!(runs = held.len(), "runs are given back, as the worker stops");
        for attempt in held {
            let (fence, now) = (self.fence(attempt), parts.clock.now());
            let error = TaskError { code: ErrorCode::Unavailable, detail: "the worker stopped".to_owned() };
            if let Err(error) = parts.tasks.fail(Failure { fence, now, error, fate: Fate::SnoozeUntil(now) }).await {
                tracing::warn!(%attempt, error = &error as &dyn std::error::Error, "a run could not be given back; its lease will run out");
            }
            self.0.leases.lose(attempt);
        }
    }

    /// Extends all leases three times per lease, and single ones when there is news of their run's progress; stops the runs
    /// whose lease is lost.
    async fn beat(self) {
        let mut ticks = tokio::time::interval(self.0.parts.settings.lease / 3);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let held = tokio::select! {
                _ = ticks.tick() => self.0.leases.take_all(),
                () = self.progress_to_tell() => self.0.leases.take_news(),
            };
            if held.is_empty() {
                continue;
            }
            match self.extend_with_news(&held).await {
                Ok(lost) => lost.into_iter().for_each(|attempt| self.0.leases.lose(attempt)),
                Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "leases could not be extended"),
            }
        }
    }

    /// Waits for news of progress, and a little longer, so that all the news of that time go in one statement.
    async fn progress_to_tell(&self) {
        self.0.news.notified().await;
        tokio::time::sleep(PROGRESS_PAUSE).await;
    }

    /// Hears of cancelled tasks and of progress; a missed cancel is made up for by the next heartbeat.
    async fn listen(self) {
        let (mut cancels, mut progress) = (self.0.parts.signals.cancels(), self.0.parts.signals.progress());
        loop {
            tokio::select! {
                cancelled = cancels.recv() => match cancelled {
                    Ok(attempt) => self.0.leases.lose(attempt),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
                heard = progress.recv() => match heard {
                    Ok((attempt, share)) if self.0.leases.progress(attempt, share) => self.0.news.notify_one(),
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }
}

/// How long news of progress wait for others before they are written.
const PROGRESS_PAUSE: Duration = Duration::from_millis(500);
/// The pause between two tries to write to a database that does not answer.
pub(crate) const STORE_RETRY: Duration = Duration::from_millis(500);
