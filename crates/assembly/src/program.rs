//! A service as a program of its own: command line, configuration, logs and signals around it, until it is told to stop.

use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use ortolan_service::config::{Config, ConfigError, LoadOptions, Role};
use ortolan_service::telemetry::MetricsHandle;
use ortolan_service::{Shutdown, telemetry};

use crate::Traces;

/// What a service does until it ends.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// Runs a service until its process is told to stop.
pub type Service = for<'a> fn(&'a Process) -> Running<'a>;

/// Looks whether a service of this machine is well.
pub type Check = for<'a> fn(&'a Config) -> Running<'a>;

/// A program that holds one service.
pub struct Program {
    /// What it is called.
    pub name: &'static str,
    /// What it is for, in a line.
    pub about: &'static str,
    /// What it is to the configuration.
    pub role: Role,
    /// What it does.
    pub service: Service,
    /// What `--check` does, for a service that answers no HTTP.
    pub check: Option<Check>,
}

/// A process that is ready to be a service.
pub struct Process {
    /// The configuration.
    pub config: Config,
    /// What has been measured.
    pub metrics: MetricsHandle,
    /// When to stop.
    pub shutdown: Shutdown,
}

/// Why the program ends early, and so its exit code.
enum Fault {
    Configuration(ConfigError),
    NotWell(anyhow::Error),
    Internal(anyhow::Error),
}

impl Process {
    /// Logs, counts and listens for signals from now on.
    pub fn prepare(config: Config) -> Result<Self> {
        let shutdown = Shutdown::new();
        let metrics = telemetry::init(&config.log).and_then(|()| telemetry::metrics_handle());
        let metrics = metrics.context("logging could not be started")?;
        config.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
        shutdown.listen_for_signals().context("signals cannot be heard")?;
        tokio::spawn(metrics.clone().keep_up(shutdown.token()));
        Ok(Self { config, metrics, shutdown })
    }
}

/// The `main` of a program that holds one service. Its exit codes are those of `ortolan`.
pub fn main(program: &Program) -> ExitCode {
    let arguments = command(program).get_matches();
    let Err(fault) = obey(program, &arguments) else { return ExitCode::SUCCESS };
    // Nothing else can be done when standard error is gone.
    drop(writeln!(std::io::stderr(), "error: {}", fault.text()));
    ExitCode::from(fault.exit_code())
}

fn command(program: &Program) -> Command {
    let file = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("PATH").value_parser(value_parser!(PathBuf)).help(help)
    };
    let command = Command::new(program.name)
        .version(env!("CARGO_PKG_VERSION"))
        .about(program.about)
        .arg(file("config", "Configuration file"))
        .arg(file("data-dir", "Folder of what is kept on this machine [default: data_dir of the configuration]"));
    let check = "Start nothing; succeed when one of this machine is running and well, for a container's health check";
    match program.check {
        Some(_) => command.arg(Arg::new("check").long("check").action(ArgAction::SetTrue).help(check)),
        None => command,
    }
}

fn obey(program: &Program, arguments: &ArgMatches) -> Result<(), Fault> {
    // A second installation would be refused; this is the only one.
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("the threads could not be started").map_err(Fault::Internal)?;
    let config = load(program.role, arguments).map_err(Fault::Configuration)?;
    match program.check {
        Some(check) if arguments.get_flag("check") => runtime.block_on(check(&config)).map_err(Fault::NotWell),
        _ => runtime.block_on(run(program.name, program.service, config)).map_err(Fault::Internal),
    }
}

fn load(role: Role, arguments: &ArgMatches) -> Result<Config, ConfigError> {
    let path = |name| arguments.get_one::<PathBuf>(name).map(PathBuf::as_path);
    let options = match path("data-dir") {
        Some(folder) => LoadOptions::new(role).with_override("data_dir", folder.display().to_string()),
        None => LoadOptions::new(role),
    };
    options.with_process(path("config")).and_then(Config::load)
}

/// Runs a service in this process until it is told to stop; traces know it by its name.
pub async fn run(name: &str, service: Service, config: Config) -> Result<()> {
    let process = Process::prepare(config)?;
    let traces = Traces::start(&process.config, name)?;
    let outcome = service(&process).await;
    traces.end().await;
    outcome
}

impl Fault {
    fn text(&self) -> String {
        match self {
            Self::Configuration(error) => error.to_string(),
            Self::NotWell(error) => format!("{error:#}"),
            Self::Internal(error) => format!("the service ended: {error:#}"),
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::NotWell(_) => 1,
            Self::Configuration(_) => 2,
            Self::Internal(_) => 70,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const WITH_HTTP: Program = Program {
        name: "ortolan-api",
        about: "Serves",
        role: Role::Api,
        service: |_| Box::pin(async { Ok(()) }),
        check: None,
    };

    const WITHOUT: Program = Program { check: Some(|_| Box::pin(async { Ok(()) })), ..WITH_HTTP };

    fn parse(program: &Program, line: &str) -> Result<ArgMatches, clap::Error> {
        command(program).try_get_matches_from(line.split(' '))
    }

    #[test]
    fn the_command_line_is_that_of_the_larger_program() {
        let matches = parse(&WITHOUT, "ortolan-worker --config c.toml --data-dir d --check").unwrap();
        assert!(matches.get_flag("check"));
        assert_eq!(matches.get_one::<PathBuf>("config").unwrap(), std::path::Path::new("c.toml"));
        assert!(parse(&WITH_HTTP, "ortolan-api").is_ok());
        for line in ["ortolan-api --check", "ortolan-api worker", "ortolan-api --config"] {
            assert_eq!(parse(&WITH_HTTP, line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
