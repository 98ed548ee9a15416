//! The command line: what can be asked, and nothing of how it is done.
//!
//! [`Command`] holds two closed sets: [`ServiceCommand`] starts or inspects a process of this machine, [`ClientCommand`]
//! talks to a running server over HTTP.

mod choice;
mod service;

use std::convert::Infallible;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use ortolan_service::config::Secret;

pub use choice::one_of;
pub(crate) use choice::{json_object, share};
pub use service::{BackgroundServiceArgs, RawLoopArgs, ServiceArgs, UpArgs};

use crate::commands::keys::KeysCommand;
use crate::commands::models::ModelsCommand;
use crate::commands::pictures::{ClassifyArgs, FindArgs};
use crate::commands::predict::PredictArgs;
use crate::commands::slots::SlotsCommand;
use crate::commands::tasks::TasksCommand;
use crate::commands::tenants::TenantsCommand;

/// The folder that is used when neither the command line nor the configuration names one.
pub const DEFAULT_DATA_DIR: &str = "ortolan-data";

const AFTER_HELP: &str = "\
Examples:
  ortolan up                                  start everything, run the demo, keep serving
  ortolan detect photo.jpg --out boxes.png    find objects, draw them
  ortolan tasks list --status failed --json   what failed, for a script

Exit codes:
  0   done
  1   a task failed, a part of the work failed, or `doctor` found a fault
  2   the command line is not valid
  3   the server cannot be reached, or cannot answer now
  4   refused: no key, or one that may not do this
  5   not found
  6   the input is not valid, or its state does not allow this
  70  something went wrong inside";

/// Runs machine learning models over pictures and tensors: the server, its services, and a client for it.
#[derive(Debug, Parser)]
#[command(name = "ortolan", version, about, after_help = AFTER_HELP)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Default, Args)]
pub struct GlobalArgs {
    /// Address of the server [default: the one that `ortolan up` left in its data folder, else http://127.0.0.1:8000]
    #[arg(long, global = true, env = "ORTOLAN_URL", value_name = "URL", help_heading = "Connection")]
    pub url: Option<String>,

    /// API key [default: the demo's key that `ortolan up` left in its data folder]
    #[arg(
        long,
        global = true,
        env = "ORTOLAN_KEY",
        hide_env_values = true,
        value_parser = secret,
        value_name = "KEY",
        help_heading = "Connection"
    )]
    pub key: Option<Secret<String>>,

    /// Tenant to act for, with an operator's key
    #[arg(long, global = true, env = "ORTOLAN_TENANT", value_name = "NAME", help_heading = "Connection")]
    pub tenant: Option<String>,

    /// Folder that `ortolan up` keeps everything in [default: data_dir of the configuration, else ortolan-data]
    #[arg(long, global = true, env = "ORTOLAN_DATA_DIR", value_name = "DIR", help_heading = "Connection")]
    pub data_dir: Option<PathBuf>,

    /// Print JSON for scripts instead of text for people
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,

    /// Print results and errors only: no progress, no hints
    #[arg(long, short, global = true, help_heading = "Output")]
    pub quiet: bool,
}

fn secret(text: &str) -> Result<Secret<String>, Infallible> {
    Ok(Secret::from(text.to_owned()))
}

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Starts or inspects a process of this machine.
    #[command(flatten)]
    Service(ServiceCommand),
    /// Talks to a running server.
    #[command(flatten)]
    Client(ClientCommand),
}

/// Commands that start or inspect a process of this machine.
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Start everything in one process, show it on a picture, and keep serving
    Up(UpArgs),
    /// Serve the HTTP API
    Api(ServiceArgs),
    /// Work off the task queues
    Worker(BackgroundServiceArgs),
    /// Run the models: the one service that needs a GPU
    MlService(ServiceArgs),
    /// Compare tasks, queues and results, and repair what was lost
    Reconciler(BackgroundServiceArgs),
    /// Bring the database's schema up to date
    Migrate(ServiceArgs),
    /// Check this installation and say what to do about each fault
    Doctor(ServiceArgs),
    /// Print the effective configuration and where each value came from
    Config(ServiceArgs),
    /// Run a model in a loop without any service, as a floor for benches
    #[command(hide = true)]
    RawLoop(RawLoopArgs),
}

/// Commands that talk to a running server.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Manage tenants (with an operator's key)
    #[command(subcommand)]
    Tenants(TenantsCommand),
    /// Manage a tenant's API keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Manage the models that a tenant's tasks use
    #[command(subcommand)]
    Slots(SlotsCommand),
    /// Push, list, show, validate, promote and delete versions of models
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Ask a model for a prediction
    Predict(PredictArgs),
    /// Submit, list, follow, cancel and retry tasks
    #[command(subcommand)]
    Tasks(TasksCommand),
    /// Find objects in pictures
    Detect(FindArgs),
    /// Find objects in pictures, each with its mask
    Segment(FindArgs),
    /// Say what pictures show
    Classify(ClassifyArgs),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  ortolan completions bash > ~/.local/share/bash-completion/completions/ortolan")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_documented_form_is_understood() {
        for line in [
            "ortolan up",
            "ortolan up photo.jpg --once --no-auth --out a.png --data-dir d --listen 127.0.0.1:0 --config c.toml",
            "ortolan up --no-demo",
            "ortolan api --config c.toml",
            "ortolan worker",
            "ortolan worker --check --config c.toml",
            "ortolan ml-service",
            "ortolan reconciler",
            "ortolan migrate",
            "ortolan doctor --json",
            "ortolan config --json",
            "ortolan tenants create acme",
            "ortolan tenants list",
            "ortolan tenants show acme",
            "ortolan tenants disable acme",
            "ortolan tenants enable acme",
            "ortolan tenants delete acme --yes",
            "ortolan keys create ci --scope read --scope write --tenant acme",
            "ortolan keys list",
            "ortolan keys revoke 0190c7a0-0000-7000-8000-000000000000",
            "ortolan slots list",
            "ortolan slots put detect model.onnx",
            "ortolan slots delete detect",
            "ortolan models push iris.onnx --name iris --version 1.2.0 --description words --validate --promote detect",
            "ortolan models push iris.onnx",
            "ortolan models ls --name iris --status ready --limit 5 --page 2",
            "ortolan models list --json",
            "ortolan models show iris@1.2.0",
            "ortolan models validate 0190c7a0-0000-7000-8000-000000000000",
            "ortolan models promote iris detect",
            "ortolan models rm iris@1.2.0",
            "ortolan predict iris inputs.json --skip-cache --timeout-ms 500 --json",
            "ortolan predict iris@1.2.0 -",
            "ortolan predict iris",
            "ortolan tasks submit noop --config {\"sleep_ms\":5} --priority high --follow",
            "ortolan tasks submit object_detection photo.jpg",
            "ortolan tasks list --status failed --type noop --limit 5 --offset 10",
            "ortolan tasks show 0190c7a0-0000-7000-8000-000000000000",
            "ortolan tasks cancel 0190c7a0-0000-7000-8000-000000000000",
            "ortolan tasks retry 0190c7a0-0000-7000-8000-000000000000 --follow",
            "ortolan tasks artifacts 0190c7a0-0000-7000-8000-000000000000",
            "ortolan tasks follow 0190c7a0-0000-7000-8000-000000000000",
            "ortolan tasks reconcile",
            "ortolan detect a.jpg b.jpg --out boxes --confidence 0.3 --iou 0.5 --class cat --class 3 --json",
            "ortolan segment a.jpg -q",
            "ortolan classify a.jpg --top-k 3",
            "ortolan completions zsh",
            "ortolan raw-loop --model m.onnx --seconds 2.5",
        ] {
            assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
        }
    }

    #[test]
    fn a_key_is_not_shown_by_accident() {
        let cli = parse("ortolan --key hunter2 tasks list").unwrap();
        assert!(!format!("{cli:?}").contains("hunter2"));
        assert_eq!(cli.global.key.unwrap().expose(), "hunter2");
    }

    #[test]
    fn nonsense_is_a_usage_error() {
        for line in [
            "ortolan",
            "ortolan fly",
            "ortolan detect",
            "ortolan detect a.jpg --confidence 1.5",
            "ortolan detect a.jpg --iou nan",
            "ortolan slots put faces m.onnx",
            "ortolan models push m.onnx --promote faces",
            "ortolan models list --limit 0",
            "ortolan models list --status good",
            "ortolan predict",
            "ortolan predict iris --timeout-ms 0",
            "ortolan tasks submit teleport",
            "ortolan tasks submit object_detection a.jpg --media 0190c7a0-0000-7000-8000-000000000000",
            "ortolan tasks submit noop --config [1",
            "ortolan tasks list --limit 0",
            "ortolan up --listen nowhere",
            "ortolan up photo.jpg --no-demo",
            "ortolan keys create ci --scope root",
        ] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
