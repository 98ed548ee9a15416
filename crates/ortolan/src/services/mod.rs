//! Commands that start or inspect a process of this machine.

mod config;
mod doctor;
mod one;
mod up;

use ortolan::cli::{GlobalArgs, RawLoopArgs, ServiceCommand};
use ortolan::{Failure, Terminal};
use ortolan_ml_service::assemble::runtime;
use ortolan_service::config::{Config, LoadOptions, Role};

use crate::raw_loop;

/// Runs one of them.
pub async fn run(command: ServiceCommand, global: &GlobalArgs, terminal: Terminal) -> Result<(), Failure> {
    match command {
        ServiceCommand::Up(args) => up::run(args, global, terminal).await,
        ServiceCommand::Config(args) => config::run(&args, global, terminal),
        ServiceCommand::Doctor(args) => doctor::run(&args, global, terminal).await,
        ServiceCommand::Migrate(args) => doctor::migrate(&args, global, terminal).await,
        ServiceCommand::Api(args) => one::run(Role::Api, &args, global, terminal).await,
        ServiceCommand::Worker(args) => one::run_or_check(Role::Worker, &args, global, terminal).await,
        ServiceCommand::MlService(args) => one::run(Role::MlService, &args, global, terminal).await,
        ServiceCommand::Reconciler(args) => one::run_or_check(Role::Reconciler, &args, global, terminal).await,
        ServiceCommand::RawLoop(args) => raw_loop(&args),
    }
}

/// The options that every command's configuration begins with.
fn options(global: &GlobalArgs, role: Role) -> LoadOptions {
    let options = LoadOptions::new(role);
    match &global.data_dir {
        Some(folder) => options.with_override("data_dir", folder.display().to_string()),
        None => options,
    }
}

fn load(options: LoadOptions, file: Option<&std::path::Path>) -> Result<Config, Failure> {
    let config = options.with_process(file).and_then(Config::load);
    config.map_err(|error| Failure::Usage(error.to_string()))
}

fn raw_loop(args: &RawLoopArgs) -> Result<(), Failure> {
    let outcome = runtime::library(std::env::var_os("ORT_DYLIB_PATH").as_deref().map(std::path::Path::new))
        .and_then(|library| raw_loop::run(&library, args));
    outcome.map_err(|error| Failure::internal("the model could not be run", error))
}
