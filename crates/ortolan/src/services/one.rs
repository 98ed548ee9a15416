//! One service in a process of its own.

use std::future::Future;

use ortolan::cli::{BackgroundServiceArgs, GlobalArgs, ServiceArgs};
use ortolan::{Failure, Terminal};
use ortolan_service::config::{Config, Role};
use ortolan_service::telemetry::MetricsHandle;
use ortolan_service::{Shutdown, telemetry};

use crate::assemble::traces::Traces;
use crate::assemble::{presence, production};

/// Runs the service, or looks whether one of this machine is well.
pub async fn run_or_check(
    role: Role,
    args: &BackgroundServiceArgs,
    global: &GlobalArgs,
    terminal: Terminal,
) -> Result<(), Failure> {
    if !args.check {
        return run(role, &args.service, global, terminal).await;
    }
    let config = super::load(super::options(global, role), args.service.config.as_deref())?;
    let service = if role == Role::Worker { "worker" } else { "reconciler" };
    presence::check(&config, service).await.map_err(|error| Failure::Failed(format!("{error:#}")))
}

/// Runs the service of that role until the process is told to stop.
pub async fn run(role: Role, args: &ServiceArgs, global: &GlobalArgs, terminal: Terminal) -> Result<(), Failure> {
    let config = super::load(super::options(global, role), args.config.as_deref())?;
    let shutdown = Shutdown::new();
    let metrics = prepare(&config, &shutdown)?;
    let service: std::pin::Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>> = match role {
        Role::Api => Box::pin(production::api(&config, metrics, &shutdown)),
        Role::Worker => Box::pin(production::worker(&config, metrics, &shutdown)),
        Role::MlService => Box::pin(production::ml_service(&config, metrics, &shutdown)),
        Role::Reconciler => Box::pin(production::reconciler(&config, metrics, &shutdown)),
        Role::Everything => return Err(Failure::Usage("`ortolan up` runs everything".to_owned())),
    };
    let traces = Traces::start(&config, word(role));
    let traces = traces.map_err(|error| Failure::internal("traces cannot be sent", error))?;
    let outcome = service.await;
    traces.end().await;
    terminal.note("Stopped.");
    outcome.map_err(|error| Failure::internal("the service ended", error))
}

/// The service of a role.
const fn word(role: Role) -> &'static str {
    match role {
        Role::Api => "api",
        Role::Worker => "worker",
        Role::MlService => "ml-service",
        Role::Reconciler => "reconciler",
        Role::Everything => "up",
    }
}

fn prepare(config: &Config, shutdown: &Shutdown) -> Result<MetricsHandle, Failure> {
    let metrics = telemetry::init(&config.log).and_then(|()| telemetry::metrics_handle());
    let metrics = metrics.map_err(|error| Failure::internal("logging could not be started", error))?;
    config.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
    shutdown.listen_for_signals().map_err(|error| Failure::internal("signals cannot be heard", error))?;
    tokio::spawn(metrics.clone().keep_up(shutdown.token()));
    Ok(metrics)
}
