//! The worker and nothing else.

use std::process::ExitCode;

use ortolan_assembly::presence;
use ortolan_assembly::program::{self, Program};
use ortolan_service::config::Role;
use ortolan_worker::assemble::{SERVICE, serve};

fn main() -> ExitCode {
    program::main(&Program {
        name: "ortolan-worker",
        about: "Work off the task queues",
        role: Role::Worker,
        service: |process| Box::pin(serve(process)),
        check: Some(|config| Box::pin(presence::check(config, SERVICE))),
    })
}
