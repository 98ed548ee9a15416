//! The reconciler and nothing else.

use std::process::ExitCode;

use ortolan_assembly::presence;
use ortolan_assembly::program::{self, Program};
use ortolan_reconciler::assemble::{SERVICE, serve};
use ortolan_service::config::Role;

fn main() -> ExitCode {
    program::main(&Program {
        name: "ortolan-reconciler",
        about: "Compare tasks, queues and results, and repair what was lost",
        role: Role::Reconciler,
        service: |process| Box::pin(serve(process)),
        check: Some(|config| Box::pin(presence::check(config, SERVICE))),
    })
}
