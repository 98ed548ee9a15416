//! What services are made of, in either profile.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use ortolan_api::{ApiParts, ApiState};
use ortolan_blobs::Blobs;
use ortolan_dispatch::Dispatcher;
use ortolan_domain::{Clock, SystemClock};
use ortolan_ml_client::Inference;
use ortolan_ml_service::{MlService, MlServiceParts, MlServiceSettings};
use ortolan_queue::Queues;
use ortolan_reconciler::{OrphanSweep, Reconciler, ReconcilerParts};
use ortolan_results::{Cache, Redis, ResultStore, Signals};
use ortolan_runner::RunnerPool;
use ortolan_service::config::{Config, ModelInit};
use ortolan_service::health::{self, HealthRegistry, Importance};
use ortolan_service::serve::Router;
use ortolan_service::telemetry::MetricsHandle;
use ortolan_service::{Shutdown, config::MaskedUrl};
use ortolan_store::Stores;
use ortolan_worker::{Worker, WorkerParts};

use super::observer::ChangeRelay;
use super::reconcile::ByHand;
use super::storage::blobs;
use super::{health as checks, runtime, settings};

/// Everything but the truth: what the ML service needs, too.
pub struct Ports {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The queues.
    pub queues: Queues,
    /// Signals between services.
    pub signals: Signals,
    /// Results of inference.
    pub results: ResultStore,
    /// Media and models.
    pub blobs: Blobs,
    /// Answers that are kept for a while, and counts.
    pub cache: Cache,
}

/// The database, and dispatch out of it.
pub struct Truth {
    /// The ports of the database.
    pub stores: Stores,
    /// Moves pending tasks into the queues.
    pub dispatcher: Arc<Dispatcher>,
}

impl Ports {
    /// Ports that end with this process.
    pub fn in_process(config: &Config) -> Result<Self> {
        let clock = SystemClock::shared();
        let (queues, signals, results) =
            (Queues::in_memory(), Signals::in_process(), ResultStore::in_process(clock.clone()));
        let results = results.keeping(config.results.ttl, config.results.done_ttl);
        let cache = Cache::in_process(clock.clone());
        Ok(Self { blobs: blobs(config)?, clock, queues, signals, results, cache })
    }

    /// Ports that all processes on one Redis share.
    pub async fn on_redis(config: &Config, url: &MaskedUrl) -> Result<Self> {
        let clock = SystemClock::shared();
        let queues = Queues::redis(url.expose()).await?;
        let redis = Redis::connect(settings::redis(config, url)).await?;
        let (signals, results) = (Signals::redis(&redis), ResultStore::redis(&redis, clock.clone()));
        let results = results.keeping(config.results.ttl, config.results.done_ttl);
        let cache = match config.redis.enabled {
            true => Cache::redis(&redis, clock.clone()),
            false => Cache::in_process(clock.clone()),
        };
        Ok(Self { blobs: blobs(config)?, clock, queues, signals, results, cache })
    }

    /// The ML service, its preloaded models loaded.
    pub async fn ml_service(&self, config: &Config, drain: Duration) -> Result<MlService> {
        let library = runtime::library(config.ml.onnxruntime_path.as_deref())?;
        let settings = MlServiceSettings { drain, ..settings::ml_service(config, &library) };
        let pool = RunnerPool::start(settings::runners(config, library), self.clock.clone()).await?;
        let service = MlService::new(MlServiceParts {
            pool,
            blobs: self.blobs.clone(),
            results: self.results.clone(),
            signals: self.signals.clone(),
            clock: self.clock.clone(),
            settings,
        })?;
        service.preload(&config.ml.model_preload, config.ml.model_init == ModelInit::Strict).await?;
        Ok(service)
    }
}

impl Truth {
    /// A database whose changes `relay` hears of.
    pub fn new(config: &Config, ports: &Ports, stores: Stores, relay: &ChangeRelay) -> Self {
        let limits = settings::dispatch(config);
        let dispatcher = Dispatcher::new(stores.tasks.clone(), ports.queues.clone(), ports.clock.clone(), limits);
        let dispatcher = Arc::new(dispatcher);
        relay.bind(&dispatcher);
        Self { stores, dispatcher }
    }

    /// A worker; the `only_one` takes from every queue in mode `auto`.
    pub fn worker(&self, config: &Config, ports: &Ports, only_one: bool) -> Worker {
        Worker::new(WorkerParts {
            id: process_id(ports),
            tasks: self.stores.tasks.clone(),
            quarantine: self.stores.quarantine.clone(),
            queues: ports.queues.clone(),
            results: ports.results.clone(),
            signals: ports.signals.clone(),
            clock: ports.clock.clone(),
            settings: settings::worker(config, has_gpu(), only_one),
        })
    }

    /// A reconciler.
    pub fn reconciler(&self, config: &Config, ports: &Ports) -> Reconciler {
        Reconciler::new(ReconcilerParts {
            id: process_id(ports),
            tasks: self.stores.tasks.clone(),
            processes: self.stores.processes.clone(),
            predictions: self.stores.predictions.clone(),
            quarantine: self.stores.quarantine.clone(),
            queues: ports.queues.clone(),
            results: ports.results.clone(),
            dispatcher: self.dispatcher.clone(),
            orphans: Some(OrphanSweep::new(ports.blobs.clone(), &self.stores, config.reconcile.orphan_grace)),
            clock: ports.clock.clone(),
            settings: settings::reconciler(config),
        })
    }

    /// The API's routes, health among them.
    pub fn api(
        &self,
        config: &Config,
        ports: &Ports,
        inference: Arc<dyn Inference>,
        reconciler: &Reconciler,
        metrics: MetricsHandle,
        shutdown: &Shutdown,
    ) -> Result<Router> {
        let registry = HealthRegistry::new(config.environment, ports.clock.clone(), shutdown.clone());
        checks::database(&registry, self.stores.tasks.clone());
        checks::queues(&registry, ports.queues.clone(), Importance::Optional);
        checks::cache(&registry, ports.cache.clone());
        checks::ml_service(&registry, inference.clone());
        let state = ApiState::new(ApiParts {
            stores: self.stores.clone(),
            dispatcher: self.dispatcher.clone(),
            signals: ports.signals.clone(),
            blobs: ports.blobs.clone(),
            inference,
            counters: settings::counters(config, &ports.cache, &ports.clock),
            cache: ports.cache.clone(),
            reconcile: Arc::new(ByHand(reconciler.clone())),
            clock: ports.clock.clone(),
            stop: shutdown.token(),
            settings: settings::api(config)?,
        });
        Ok(ortolan_api::router(state, health::routes(registry, metrics)))
    }
}

/// The name of this machine or container.
pub fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// A name that no other incarnation of any process has.
fn process_id(ports: &Ports) -> String {
    format!("{}-{}-{}", host(), std::process::id(), ports.clock.now().as_micros())
}

/// Whether this machine has an accelerator, as its device nodes tell.
fn has_gpu() -> bool {
    std::path::Path::new("/dev/nvidia0").exists()
}
