//! The program: a hidden runner, a service of this machine, or a client.

mod embedded;
mod raw_loop;
mod services;

use std::process::ExitCode;

use clap::Parser;
use ortolan::cli::{Cli, Command};
use ortolan::{Failure, Terminal, commands};

fn main() -> ExitCode {
    if let Some(ended) = ortolan_ml_service::assemble::begin() {
        return ended;
    }
    let cli = Cli::parse();
    let terminal = Terminal::new(&cli.global);
    terminal.finish(run(cli, terminal))
}

fn run(cli: Cli, terminal: Terminal) -> Result<(), Failure> {
    // A second installation would be refused; this is the only one.
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::internal("the threads could not be started", error))?;
    match cli.command {
        Command::Service(command) => runtime.block_on(services::run(command, &cli.global, terminal)),
        Command::Client(command) => runtime.block_on(commands::run(command, &cli.global, terminal)),
    }
}
