//! One service in a process of its own.

use ortolan::cli::{BackgroundServiceArgs, GlobalArgs, ServiceArgs};
use ortolan::{Failure, Terminal};
use ortolan_api::assemble as api;
use ortolan_assembly::{presence, program};
use ortolan_ml_service::assemble as ml_service;
use ortolan_reconciler::assemble as reconciler;
use ortolan_service::config::Role;
use ortolan_worker::assemble as worker;

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
    let service = if role == Role::Worker { worker::SERVICE } else { reconciler::SERVICE };
    presence::check(&config, service).await.map_err(|error| Failure::Failed(format!("{error:#}")))
}

/// Runs the service of that role until the process is told to stop.
pub async fn run(role: Role, args: &ServiceArgs, global: &GlobalArgs, terminal: Terminal) -> Result<(), Failure> {
    let config = super::load(super::options(global, role), args.config.as_deref())?;
    let (name, service): (_, program::Service) = match role {
        Role::Api => ("ortolan-api", |process| Box::pin(api::serve(process))),
        Role::Worker => ("ortolan-worker", |process| Box::pin(worker::serve(process))),
        Role::MlService => ("ortolan-ml-service", |process| Box::pin(ml_service::serve(process))),
        Role::Reconciler => ("ortolan-reconciler", |process| Box::pin(reconciler::serve(process))),
        Role::Everything => return Err(Failure::Usage("`ortolan up` runs everything".to_owned())),
    };
    let outcome = program::run(name, service, config).await;
    terminal.note("Stopped.");
    outcome.map_err(|error| Failure::internal("the service ended", error))
}
