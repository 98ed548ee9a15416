//! What `./dev` calls: the parts of the developer's commands that are more than a few lines of shell.
//!
//! `check` holds the workspace to its own map (layers, owners of heavy libraries, house rules); `test` runs `cargo test` and says in
//! one closing line how it went; `bench` measures a running Ortolan beside floors taken in the same minutes. It links no crate of
//! Ortolan's, so that it builds in seconds and works while the rest does not compile.
// Its output is what it is for.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod check;
mod test_run;

use std::process::ExitCode;

const USAGE: &str =
    "usage: ortolan-xtask check | test [FILTER ...] [cargo options] | bench [tasks | predict] [options]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("", &arguments[..]),
    };
    let outcome = match command {
        "check" => check::run(),
        "test" => test_run::run(rest),
        "bench" => bench::run(rest),
        _ => Err(anyhow::anyhow!(USAGE)),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}
