//! The API as a process: put together out of the configuration.

mod by_hand;
mod metrics;
pub mod operator;
mod settings;

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, Result};
use ortolan_assembly::program::Process;
use ortolan_assembly::{Ports, Truth, checks, storage};
use ortolan_blobs::Blobs;
use ortolan_domain::SystemClock;
use ortolan_ml_client::{HttpInference, Inference};
use ortolan_reconciler::Reconciler;
use ortolan_results::Hears;
use ortolan_service::health::{self, Health, HealthRegistry, Importance};
use ortolan_service::serve::{LateRoutes, Router, ServeLimits, listen, serve as serve_routes};
use ortolan_store::TaskStore;

use crate::{ApiParts, ApiState};
use by_hand::ByHand;

/// Clients follow tasks here.
const HEARS: Hears = Hears { changes: true, results: false };

/// Serves the API until the process is told to stop. It answers from the start, that it is not ready at first.
pub async fn serve(process: &Process) -> Result<()> {
    let Process { config, shutdown, .. } = process;
    let listener = listen(config.server.listen).await?;
    let late = LateRoutes::default();
    let routes = late.serve_until_then(routes_while_waiting(process));
    let serving = serve_routes(listener, routes, ServeLimits::from(&config.server), shutdown);
    let working = async {
        let outcome = open(process, &late).await;
        if let Ok(Some(truth)) = &outcome {
            truth.dispatcher.clone().run(shutdown.token()).await;
        }
        // Without it there is nothing to serve.
        shutdown.begin();
        outcome
    };
    let (_, truth) = tokio::join!(serving, working);
    if let Some(truth) = truth? {
        truth.stores.close().await;
    }
    Ok(())
}

fn routes_while_waiting(process: &Process) -> Router {
    let registry = HealthRegistry::new(process.config.environment, SystemClock::shared(), process.shutdown.clone());
    registry.check("database", Importance::Essential, || async { Health::Down("is waited for") });
    health::routes_while_waiting(registry, process.metrics.clone())
}

/// Waits for the database and opens the API's routes; `None` when the process is told to stop before it is there.
async fn open(process: &Process, late: &LateRoutes) -> Result<Option<Truth>> {
    let Process { config, shutdown, .. } = process;
    let (ports, blobs) = (Ports::shared(config, HEARS).await?, storage::blobs(config)?);
    let truth = Truth::open(config, &ports, config.database.max_connections, shutdown).await?;
    let Some(truth) = truth else { return Ok(None) };
    let given = config.secrets.operator_key.as_ref().map(|key| key.expose().as_str());
    if let Some(key) = operator::ensure_key(&*truth.stores.tenants, given, &*ports.clock).await? {
        // The one place where it is shown; a log would keep it.
        writeln!(std::io::stdout(), "Operator key (shown this once): {key}").context("the key could not be shown")?;
    }
    let inference: Arc<dyn Inference> =
        Arc::new(HttpInference::new(config.ml.service_url.expose(), config.ml.client_timeout)?);
    let reconciler = ortolan_reconciler::assemble::reconciler(config, &ports, &blobs, &truth);
    late.open(routes(process, Surroundings { ports: &ports, blobs, truth: &truth, inference, reconciler })?);
    Ok(Some(truth))
}

/// What the API is put among.
pub struct Surroundings<'a> {
    /// The ports that all services have.
    pub ports: &'a Ports,
    /// Media and models.
    pub blobs: Blobs,
    /// The database.
    pub truth: &'a Truth,
    /// The way to the ML service.
    pub inference: Arc<dyn Inference>,
    /// Runs when it is asked for by hand.
    pub reconciler: Reconciler,
}

/// The API's routes, health among them.
pub fn routes(process: &Process, around: Surroundings<'_>) -> Result<Router> {
    let Process { config, metrics, shutdown } = process;
    let Surroundings { ports, blobs, truth, inference, reconciler } = around;
    let registry = HealthRegistry::new(config.environment, ports.clock.clone(), shutdown.clone());
    check_database(&registry, truth.stores.tasks.clone());
    checks::queues(&registry, ports.queues.clone(), Importance::Optional);
    checks::cache(&registry, ports.cache.clone());
    checks::ml_service(&registry, inference.clone());
    let state = ApiState::new(ApiParts {
        stores: truth.stores.clone(),
        dispatcher: truth.dispatcher.clone(),
        signals: ports.signals.clone(),
        blobs,
        inference,
        counters: settings::counters(config, &ports.cache, &ports.clock),
        cache: ports.cache.clone(),
        reconcile: Arc::new(ByHand(reconciler)),
        clock: ports.clock.clone(),
        fetch: settings::fetch(config)?,
        stop: shutdown.token(),
        settings: settings::api(config)?,
    });
    let metrics = metrics::page(truth, ports, metrics.clone());
    Ok(crate::router(state, health::routes(registry, metrics)))
}

/// Asks the database; nothing works without it.
fn check_database(registry: &HealthRegistry, tasks: Arc<dyn TaskStore>) {
    registry.check("database", Importance::Essential, move || {
        let tasks = Arc::clone(&tasks);
        async move { tasks.ping().await.map_or(Health::Down("does not answer"), |()| Health::Up) }
    });
}
