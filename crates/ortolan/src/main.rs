//! The program: a hidden runner, a service of this machine, or a client.

mod assemble;
mod raw_loop;
mod services;

use std::process::ExitCode;

use clap::Parser;
use ortolan::cli::{Cli, Command};
use ortolan::{Failure, Terminal, commands};

/// What a runner is started as: before anything else of the program, and without its command line.
const RUNNER: &str = "runner";

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == RUNNER) {
        return ortolan_runner::child::main();
    }
    silence_the_runtime();
    let cli = Cli::parse();
    let terminal = Terminal::new(&cli.global);
    terminal.finish(run(cli, terminal))
}

/// ONNX Runtime phones home unless this variable is set before it is loaded; children inherit it.
fn silence_the_runtime() {
    // SAFETY: nothing else has run yet, so no other thread reads the environment.
    unsafe { std::env::set_var("ORT_DISABLE_TELEMETRY", "1") };
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
