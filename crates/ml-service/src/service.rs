//! The service itself: what it holds, how it starts, how it takes jobs and how it stops.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ortolan_blobs::Blobs;
use ortolan_domain::job::{Attempt, MlJob};
use ortolan_domain::{Clock, Timestamp};
use ortolan_engine::Gpus;
use ortolan_queue::{Consumer, JobQueue, QueueError};
use ortolan_results::{Number, ResultStore, Signals};
use ortolan_runner::RunnerPool;
use ortolan_service::telemetry::{inference, metrics};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::batch::{BatchPolicy, Lines};
use crate::burst::Bursts;
use crate::catalog::{CatalogLimits, ModelCatalog};
use crate::gate::{FairGate, GateFacts};
use crate::gpus::GpuWatch;
use crate::stats::Stats;

/// Decoded pictures that are held for each permit of the device: one that is looked at, one that waits.
const PICTURES_PER_PERMIT: usize = 2;

/// What an operator can set.
#[derive(Debug, Clone)]
pub struct MlServiceSettings {
    /// Runs that may be under way on the device at once.
    pub concurrency: usize,
    /// Jobs that may be in this process at once, running or waiting for their turn.
    pub most_jobs: usize,
    /// Most bytes of a media object.
    pub max_media_bytes: u64,
    /// Most bytes of a model file.
    pub max_model_bytes: u64,
    /// How long a model's copy is taken to be what its object is; for good when `None`.
    pub revalidate_models: Option<Duration>,
    /// How long a stopping service waits for the jobs under way before it cancels them.
    pub drain: Duration,
    /// Deadline of a short question.
    pub question_timeout: Duration,
    /// How requests with tensors are put together, unless they say otherwise.
    pub batching: BatchPolicy,
    /// Where the private folder of fetched models is made; among the system's temporary files when `None`.
    pub models_folder: Option<PathBuf>,
    /// How tenants are kept apart, for health.
    pub isolation: String,
    /// Version of ONNX Runtime, for health.
    pub runtime_version: String,
    /// Most memory of a GPU that a session may take.
    pub gpu_memory_limit_bytes: u64,
}

/// What the service is made of.
pub struct MlServiceParts {
    /// Runners and their loaded models.
    pub pool: RunnerPool,
    /// Media and models.
    pub blobs: Blobs,
    /// Where results go.
    pub results: ResultStore,
    /// Cancels and changes of models.
    pub signals: Signals,
    /// The number of this service among its like: part of cache keys, and it picks the GPU.
    pub number: Number,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What tells of the GPUs, where there are any.
    pub gpus: Option<Gpus>,
    /// What an operator has set.
    pub settings: MlServiceSettings,
}

/// The ML service. Clones share it.
#[derive(Clone)]
pub struct MlService(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) pool: RunnerPool,
    pub(crate) blobs: Blobs,
    pub(crate) results: ResultStore,
    pub(crate) signals: Signals,
    pub(crate) number: Number,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: MlServiceSettings,
    pub(crate) catalog: ModelCatalog,
    pub(crate) gate: FairGate,
    /// Decoded pictures that are held, for pipelines and for looks ahead.
    pub(crate) pictures: FairGate,
    pub(crate) lines: Lines,
    pub(crate) bursts: Bursts,
    pub(crate) stats: Stats,
    pub(crate) gpus: GpuWatch,
    pub(crate) preload_failures: Mutex<HashMap<String, String>>,
    under_way: Mutex<HashMap<Attempt, CancellationToken>>,
    /// Cancelled when the time to drain is over: what is under way then is given back.
    pub(crate) gives_back: CancellationToken,
    jobs: TaskTracker,
}

impl MlService {
    /// Puts the service together; nothing is loaded yet.
    pub fn new(parts: MlServiceParts) -> std::io::Result<Self> {
        let MlServiceParts { pool, blobs, results, signals, number, clock, gpus, settings } = parts;
        let limits = CatalogLimits { max_bytes: settings.max_model_bytes, revalidate: settings.revalidate_models };
        let folder = settings.models_folder.clone().unwrap_or_else(std::env::temp_dir);
        let catalog = ModelCatalog::new(blobs.clone(), clock.clone(), limits, &folder)?;
        let gate = FairGate::heard_by(settings.concurrency, settings.most_jobs, tell_metrics);
        let held = settings.concurrency * PICTURES_PER_PERMIT + pool.pictures_ahead(number.get());
        let pictures = FairGate::new(held, settings.most_jobs);
        let (under_way, preload_failures, jobs) = (Mutex::default(), Mutex::default(), TaskTracker::new());
        let (lines, bursts) = (Lines::default(), Bursts::default());
        let (stats, gpus) = (Stats::default(), GpuWatch::new(gpus));
        let inner = Inner {
            pool,
            blobs,
            results,
            signals,
            number,
            clock,
            settings,
            catalog,
            gate,
            pictures,
            lines,
            bursts,
            stats,
            gpus,
            preload_failures,
            under_way,
            gives_back: CancellationToken::new(),
            jobs,
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Takes jobs until `stop`, then waits for those under way, and gives back what is left after the drain.
    pub async fn run(&self, queue: JobQueue<MlJob>, stop: CancellationToken) -> Result<(), QueueError> {
        let listener = tokio::spawn(self.clone().listen());
        let observer = tokio::spawn(self.clone().observe());
        let keeper = tokio::spawn(self.clone().keep_locks());
        let consumer = Consumer { name: "ml-service".to_owned(), slots: self.0.settings.most_jobs };
        let service = self.clone();
        let outcome = queue
            .consume(consumer, stop, move |delivered| {
                let (service, slot) = (service.clone(), delivered.slot);
                service.0.jobs.clone().spawn(async move {
                    service.take(delivered.job).await;
                    drop(slot);
                });
            })
            .await;
        self.0.jobs.close();
        if tokio::time::timeout(self.0.settings.drain, self.0.jobs.wait()).await.is_err() {
            tracing::warn!(runs = self.0.attempts().len(), "runs are given back, as the ML service stops");
            self.0.gives_back.cancel();
            self.0.jobs.wait().await;
        }
        listener.abort();
        observer.abort();
        keeper.abort();
        outcome
    }

    /// Ends all runners.
    pub async fn shutdown(&self) {
        self.0.pool.shutdown().await;
        self.0.number.release().await;
        tracing::info!("runners ended");
    }

    /// Hears of cancelled attempts and changed models until it is aborted. A signal that is missed costs only time: the
    /// worker's own deadline and the next load see to the rest.
    async fn listen(self) {
        let (mut cancels, mut models) = (self.0.signals.cancels(), self.0.signals.model_changes());
        loop {
            tokio::select! {
                Ok(attempt) = cancels.recv() => self.0.cancel(attempt),
                Ok(model) = models.recv() => self.0.catalog.forget(&model),
                else => return,
            }
        }
    }
}

/// Tells metrics how many permits are out.
fn tell_metrics(facts: GateFacts) {
    metrics::ml_permits(facts.permits, facts.running, facts.peak);
    inference::pending(facts.waiting);
}

impl Inner {
    /// Registers an attempt, so that it can be cancelled.
    pub(crate) fn begin(&self, attempt: Attempt) -> CancellationToken {
        let token = self.gives_back.child_token();
        self.under_way().insert(attempt, token.clone());
        token
    }

    /// The attempts that are under way.
    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        self.under_way().keys().copied().collect()
    }

    /// Forgets an attempt that has ended.
    pub(crate) fn end(&self, attempt: Attempt) {
        self.under_way().remove(&attempt);
    }

    /// How long it is until an instant of the clock, as the runtime's timers count.
    pub(crate) fn instant(&self, at: Timestamp) -> Instant {
        Instant::now() + at.since(self.clock.now())
    }

    fn cancel(&self, attempt: Attempt) {
        if let Some(token) = self.under_way().get(&attempt) {
            token.cancel();
        }
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<Attempt, CancellationToken>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
