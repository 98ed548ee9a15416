//! The ML service as a process: put together out of the configuration.

pub mod runtime;
mod settings;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use ortolan_assembly::program::Process;
use ortolan_assembly::{Ports, checks, host, settings::tensor_bytes, storage};
use ortolan_blobs::Blobs;
use ortolan_engine::Gpus;
use ortolan_ml_client::Inference;
use ortolan_results::{Hears, Number};
use ortolan_runner::RunnerPool;
use ortolan_service::config::{Config, ModelInit, Profile};
use ortolan_service::health::{self, HealthRegistry, Importance};
use ortolan_service::serve::{ServeLimits, listen, serve as serve_routes};

use crate::{MlService, MlServiceParts, http, infer_endpoints};

/// What a runner is started as: before anything else of the program, and without its command line.
const RUNNER: &str = "runner";

/// What comes first in the `main` of a program that holds the ML service: becomes a runner, and gives its exit code, when the
/// program was started as one.
pub fn begin() -> Option<ExitCode> {
    if std::env::args_os().nth(1).is_some_and(|word| word == RUNNER) {
        return Some(ortolan_runner::child::main());
    }
    // ONNX Runtime phones home unless this variable is set before it is loaded; children inherit it.
    // SAFETY: nothing else has run yet, so no other thread reads the environment.
    unsafe { std::env::set_var("ORT_DISABLE_TELEMETRY", "1") };
    None
}

/// Runs models until the process is told to stop. It has no database.
pub async fn serve(process: &Process) -> Result<()> {
    let Process { config, metrics, shutdown } = process;
    let (ports, blobs) = (Ports::shared(config, Hears::NONE).await?, storage::blobs(config)?);
    let host = host();
    let number = tokio::select! {
        number = ports.numbers.hold(&host, config.ml.worker_id) => number,
        () = shutdown.draining() => return Ok(()),
    };
    let service = ml_service(config, &ports, &blobs, number, config.server.drain_timeout).await?;
    let inference: Arc<dyn Inference> = Arc::new(service.clone());
    let registry = HealthRegistry::new(config.environment, ports.clock.clone(), shutdown.clone());
    checks::queues(&registry, ports.queues.clone(), Importance::Essential);
    checks::ml_service(&registry, inference.clone());
    let routes = http::router(inference, tensor_bytes(config)).merge(health::routes(registry, metrics.clone()));
    let routes = if config.ml.infer_endpoints { routes.merge(infer_endpoints(service.clone())) } else { routes };
    let listener = listen(config.ml.listen).await?;
    let jobs = service.run(ports.queues.ml.clone(), shutdown.token());
    let (_, jobs) = tokio::join!(serve_routes(listener, routes, ServeLimits::from(&config.server), shutdown), jobs);
    service.shutdown().await;
    Ok(jobs?)
}

/// The ML service, its preloaded models loaded; it waits so long for the jobs under way when it stops.
pub async fn ml_service(
    config: &Config,
    ports: &Ports,
    blobs: &Blobs,
    number: Number,
    drain: Duration,
) -> Result<MlService> {
    let library = runtime::library(config.ml.onnxruntime_path.as_deref())?;
    let settings = settings::ml_service(config, &library, drain);
    let pool = RunnerPool::start(settings::runners(config, library), ports.clock.clone()).await?;
    let gpus = Gpus::open();
    say_what_is_used(&pool, gpus.as_ref(), config.profile);
    let service = MlService::new(MlServiceParts {
        pool,
        blobs: blobs.clone(),
        results: ports.results.clone(),
        signals: ports.signals.clone(),
        number,
        clock: ports.clock.clone(),
        gpus,
        settings,
    })?;
    service.preload(&config.ml.model_preload, config.ml.model_init == ModelInit::Strict).await?;
    Ok(service)
}

/// A GPU that is there and not used would otherwise be noticed by its bill alone. That there is none is worth a warning where servers are
/// run, and nothing special on somebody's own machine.
fn say_what_is_used(pool: &RunnerPool, gpus: Option<&Gpus>, profile: Profile) {
    let there = gpus.map(Gpus::list).unwrap_or_default();
    let names: Vec<_> =
        there.iter().map(|gpu| format!("{} ({} MiB)", gpu.name, gpu.memory_total_bytes >> 20)).collect();
    match pool.gpu_count() {
        0 if there.is_empty() && profile == Profile::Production => {
            tracing::warn!(
                "no GPU was found, models run on the processor; with REQUIRE_GPU=true this would be refused"
            );
        }
        0 if there.is_empty() => tracing::info!("models run on the processor"),
        0 => tracing::warn!(
            gpus = names.join(", "),
            "models run on the processor although there is a GPU: this ONNX Runtime has no CUDA provider, or it did not start (docs/guides/gpu.md)"
        ),
        count => tracing::info!(count, gpus = names.join(", "), "models run on GPUs"),
    }
}
