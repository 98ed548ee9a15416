//! Everything in one process: SQLite, queues in memory, a local folder.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use ortolan_api::assemble::{Surroundings, operator, routes};
use ortolan_assembly::program::Process;
use ortolan_assembly::{ChangeRelay, Ports, Truth, host, settings, storage};
use ortolan_blobs::Blobs;
use ortolan_ml_service::{MlService, assemble::ml_service};
use ortolan_reconciler::{Reconciler, assemble::reconciler};
use ortolan_service::Shutdown;
use ortolan_service::config::{Config, Database};
use ortolan_service::serve::{Router, ServeLimits, serve};
use ortolan_store::{SqliteSettings, Stores};
use ortolan_worker::assemble::{callbacks, presence, worker};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// An installation that runs in this process.
pub struct Installation {
    /// Where it listens.
    pub address: SocketAddr,
    /// The operator's key, if it was made just now.
    pub new_operator_key: Option<String>,
    shutdown: Shutdown,
    parts: Parts,
    services: Services,
}

/// What the services share.
struct Parts {
    ports: Ports,
    blobs: Blobs,
    truth: Truth,
    _lock: std::fs::File,
}

/// The services' tasks, in the order in which they end.
struct Services {
    api: JoinHandle<()>,
    worker: JoinHandle<()>,
    background: Vec<JoinHandle<()>>,
    ml_stop: CancellationToken,
    ml_service: JoinHandle<()>,
}

/// Starts everything; the API answers when this returns.
pub async fn start(process: &Process, listener: TcpListener) -> Result<Installation> {
    let Process { config, shutdown, .. } = process;
    let parts = open(config).await?;
    let address = listener.local_addr()?;
    let given = config.secrets.operator_key.as_ref().map(|key| key.expose().as_str());
    if config.server.no_auth {
        operator::ensure_tenant(&*parts.truth.stores.tenants, &config.server.no_auth_tenant, &*parts.ports.clock)
            .await?;
    }
    let new_operator_key = operator::ensure_key(&*parts.truth.stores.tenants, given, &*parts.ports.clock).await?;
    let Parts { ports, blobs, truth, .. } = &parts;
    let number = ports.numbers.hold(&host(), config.ml.worker_id).await;
    // By the time that it stops here, the worker has waited for everything that was worth waiting for.
    let ml_service = ml_service(config, ports, blobs, number, Duration::ZERO).await?;
    let reconciler = reconciler(config, ports, blobs, truth);
    let (inference, by_hand) = (Arc::new(ml_service.clone()), reconciler.clone());
    let around = Surroundings { ports, blobs: blobs.clone(), truth, inference, reconciler: by_hand };
    let routes = routes(process, around)?;
    let (callbacks, stop) = (callbacks(config, ports, blobs, truth)?, shutdown.token());
    let mut services = spawn(config, &parts, ml_service, reconciler, listener, routes, shutdown);
    services.background.push(tokio::spawn(async move { callbacks.run(stop).await }));
    Ok(Installation { address, new_operator_key, shutdown: shutdown.clone(), parts, services })
}

impl Installation {
    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until the process is told to stop, and then until every service has ended in its turn.
    pub async fn ended(self) {
        self.shutdown.draining().await;
        let Services { api, worker, background, ml_stop, ml_service } = self.services;
        for service in background.into_iter().chain([api, worker]) {
            join(service).await;
        }
        // Last, because the worker's runs wait for its answers.
        ml_stop.cancel();
        join(ml_service).await;
        self.parts.truth.stores.close().await;
        tracing::info!("stopped");
    }
}

async fn join(service: JoinHandle<()>) {
    if let Err(error) = service.await {
        tracing::error!(error = &error as &dyn std::error::Error, "a service ended badly");
    }
}

async fn open(config: &Config) -> Result<Parts> {
    let folder = &config.data_dir;
    std::fs::create_dir_all(folder).with_context(|| format!("the data folder {} cannot be made", folder.display()))?;
    let lock = lock(folder)?;
    let (ports, blobs) = (Ports::in_process(config), storage::blobs(config)?);
    let Database::Sqlite(path) = config.database()? else {
        anyhow::bail!(
            "`up` runs the embedded profile, whose database is a SQLite file; for PostgreSQL start the services one by one"
        );
    };
    let relay = ChangeRelay::new(ports.signals.clone());
    let stores = Stores::sqlite(SqliteSettings::at(path), relay.clone()).await?;
    stores.migrate().await?;
    let taken_back = stores.tasks.take_back_all(ports.clock.now(), settings::max_crashes(config)).await?;
    if taken_back > 0 {
        tracing::info!(tasks = taken_back, "tasks that were under way at the last stop are pending again");
    }
    Ok(Parts { truth: Truth::new(config, &ports, stores, &relay), ports, blobs, _lock: lock })
}

/// Two processes on one data folder would take each other's tasks back.
fn lock(folder: &std::path::Path) -> Result<std::fs::File> {
    let path = folder.join("ortolan.lock");
    let file = std::fs::File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
    let locked = file.try_lock();
    locked.ok().with_context(|| {
        format!(
            "another process uses the data folder {}; stop it, or name another one with --data-dir",
            folder.display()
        )
    })?;
    Ok(file)
}

fn spawn(
    config: &Config,
    parts: &Parts,
    ml_service: MlService,
    reconciler: Reconciler,
    listener: TcpListener,
    routes: Router,
    shutdown: &Shutdown,
) -> Services {
    let worker = worker(config, &parts.ports, &parts.truth);
    // Its metrics are shown with those of the API, which is the same process.
    let presence = presence(&worker, &parts.ports, &parts.truth, None);
    let limits = ServeLimits::from(&config.server);
    let (ml_stop, ml_queue, stop) = (CancellationToken::new(), parts.ports.queues.ml.clone(), shutdown.token());
    let (dispatcher, shutdown) = (parts.truth.dispatcher.clone(), shutdown.clone());
    let (stop_worker, stop_dispatch, stop_reconcile, stop_ml) = (stop.clone(), stop.clone(), stop, ml_stop.clone());
    Services {
        api: tokio::spawn(async move {
            serve(listener, routes, limits, &shutdown).await;
        }),
        worker: tokio::spawn(async move {
            report("worker", worker.run(stop_worker).await);
            presence.end().await;
        }),
        background: vec![
            tokio::spawn(dispatcher.run(stop_dispatch)),
            tokio::spawn(async move { reconciler.run(stop_reconcile).await }),
        ],
        ml_stop,
        ml_service: tokio::spawn(async move {
            report("ml-service", ml_service.run(ml_queue, stop_ml).await);
            ml_service.shutdown().await;
        }),
    }
}

fn report<E: std::error::Error + 'static>(service: &str, outcome: Result<(), E>) {
    if let Err(error) = outcome {
        tracing::error!(service, error = &error as &dyn std::error::Error, "service ended");
    }
}
