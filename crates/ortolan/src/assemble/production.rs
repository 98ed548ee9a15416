//! One service a process: PostgreSQL, Redis, shared storage.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use ortolan_domain::SystemClock;
use ortolan_ml_client::{HttpInference, Inference};
use ortolan_ml_service::infer_endpoints;
use ortolan_reconciler::Reconciler;
use ortolan_service::Shutdown;
use ortolan_service::config::{Config, Database};
use ortolan_service::health::{self, Health, HealthRegistry, Importance};
use ortolan_service::serve::{LateRoutes, Router, ServeLimits, serve};
use ortolan_service::telemetry::MetricsHandle;
use ortolan_store::{PostgresSettings, Stores};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::observer::ChangeRelay;
use super::parts::{Ports, Truth};
use super::presence::Presence;
use super::{health as checks, operator, settings};

/// The longest pause between two tries to reach something at the start.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Serves the API until the process is told to stop. It answers from the start, that it is not ready at first.
pub async fn api(config: &Config, metrics: MetricsHandle, shutdown: &Shutdown) -> Result<()> {
    let listener = listen(config.server.listen).await?;
    let late = LateRoutes::default();
    let routes = late.serve_until_then(routes_while_waiting(config, metrics.clone(), shutdown));
    let serving = serve(listener, routes, ServeLimits::from(&config.server), shutdown);
    let working = async {
        let outcome = open_api(config, metrics, shutdown, &late).await;
        if let Ok(truth) = &outcome {
            truth.dispatcher.clone().run(shutdown.token()).await;
        }
        // Without it there is nothing to serve.
        shutdown.begin();
        outcome
    };
    let (_, truth) = tokio::join!(serving, working);
    truth?.stores.close().await;
    Ok(())
}

fn routes_while_waiting(config: &Config, metrics: MetricsHandle, shutdown: &Shutdown) -> Router {
    let registry = HealthRegistry::new(config.environment, SystemClock::shared(), shutdown.clone());
    registry.check("database", Importance::Essential, || async { Health::Down("is waited for") });
    health::routes_while_waiting(registry, metrics)
}

/// Waits for the database and opens the API's routes.
async fn open_api(config: &Config, metrics: MetricsHandle, shutdown: &Shutdown, late: &LateRoutes) -> Result<Truth> {
    let (ports, truth) = open(config, config.database.max_connections, shutdown).await?;
    let given = config.secrets.operator_key.as_ref().map(|key| key.expose().as_str());
    if let Some(key) = operator::ensure_key(&*truth.stores.tenants, given, &*ports.clock).await? {
        // The one place where it is shown; a log would keep it.
        ortolan::Terminal::default().line(&format!("Operator key (shown this once): {key}"))?;
    }
    let inference: Arc<dyn Inference> =
        Arc::new(HttpInference::new(config.ml.service_url.expose(), config.ml.client_timeout)?);
    let reconciler = truth.reconciler(config, &ports);
    late.open(truth.api(config, &ports, inference, &reconciler, metrics, shutdown)?);
    Ok(truth)
}

/// Works off queues until the process is told to stop.
pub async fn worker(config: &Config, shutdown: &Shutdown) -> Result<()> {
    let (ports, truth) = open(config, config.database.worker_max_connections, shutdown).await?;
    let worker = truth.worker(config, &ports, false);
    let presence = Presence::of_worker(&truth, &ports, &worker);
    let outcome = worker.run(shutdown.token()).await;
    presence.end().await;
    truth.stores.close().await;
    Ok(outcome?)
}

/// Runs models until the process is told to stop. It has no database.
pub async fn ml_service(config: &Config, metrics: MetricsHandle, shutdown: &Shutdown) -> Result<()> {
    let ports = ports(config).await?;
    let service = ports.ml_service(config, config.server.drain_timeout).await?;
    let inference: Arc<dyn Inference> = Arc::new(service.clone());
    let registry = HealthRegistry::new(config.environment, ports.clock.clone(), shutdown.clone());
    checks::queues(&registry, ports.queues.clone(), Importance::Essential);
    checks::ml_service(&registry, inference.clone());
    let routes = ortolan_ml_service::http::router(inference, settings::tensor_bytes(config))
        .merge(health::routes(registry, metrics));
    let routes = if config.ml.infer_endpoints { routes.merge(infer_endpoints(service.clone())) } else { routes };
    let listener = listen(config.ml.listen).await?;
    let jobs = service.run(ports.queues.ml.clone(), shutdown.token());
    let (_, jobs) = tokio::join!(serve(listener, routes, ServeLimits::from(&config.server), shutdown), jobs);
    service.shutdown().await;
    Ok(jobs?)
}

/// Compares and repairs until the process is told to stop.
pub async fn reconciler(config: &Config, shutdown: &Shutdown) -> Result<()> {
    let (ports, truth) = open(config, config.database.worker_max_connections, shutdown).await?;
    let reconciler = truth.reconciler(config, &ports);
    let ear = tokio::spawn(nudge_at_sighup(reconciler.clone())?);
    let presence = Presence::of_reconciler(&truth, &ports, &reconciler);
    reconciler.run(shutdown.token()).await;
    presence.end().await;
    ear.abort();
    truth.stores.close().await;
    Ok(())
}

/// Asks for a whole pass at each SIGHUP, until it is aborted.
fn nudge_at_sighup(reconciler: Reconciler) -> Result<impl Future<Output = ()>> {
    let mut hangups = signal(SignalKind::hangup())?;
    Ok(async move {
        while hangups.recv().await.is_some() {
            reconciler.nudge();
        }
    })
}

async fn ports(config: &Config) -> Result<Ports> {
    let url = config.redis_url()?.context("this service needs profile = \"production\" (ORTOLAN_PROFILE) and redis.url (REDIS_URL); `ortolan up` needs neither")?;
    Ports::on_redis(config, url).await
}

async fn open(config: &Config, max_connections: u32, shutdown: &Shutdown) -> Result<(Ports, Truth)> {
    let ports = ports(config).await?;
    let Database::Postgres(url) = config.database()? else {
        anyhow::bail!(
            "this service needs database.url (DATABASE_URL) of a PostgreSQL server; `ortolan up` runs on SQLite"
        );
    };
    let relay = ChangeRelay::new(ports.signals.clone());
    let connect = || async {
        let settings = PostgresSettings { max_connections, ..PostgresSettings::at(url.expose()) };
        let stores = Stores::postgres(settings, relay.clone()).await?;
        stores.migrate().await?;
        Ok(stores)
    };
    let stores = patiently("the database", shutdown, connect).await?;
    let truth = Truth::new(config, &ports, stores, &relay);
    Ok((ports, truth))
}

/// Tries until it works or the process is told to stop: services may start in any order.
async fn patiently<T, F: Future<Output = Result<T>>>(
    what: &str,
    shutdown: &Shutdown,
    attempt: impl Fn() -> F,
) -> Result<T> {
    let mut pause = Duration::from_millis(250);
    loop {
        let error = match attempt().await {
            Ok(there) => return Ok(there),
            Err(error) => error,
        };
        tracing::warn!(error = format!("{error:#}"), ?pause, "waiting for {what}");
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            () = shutdown.draining() => return Err(error),
        }
    }
}

async fn listen(address: std::net::SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}
