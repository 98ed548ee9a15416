//! The HTTP API and nothing else.

use std::process::ExitCode;

use ortolan_api::assemble::serve;
use ortolan_assembly::program::{self, Program};
use ortolan_service::config::Role;

fn main() -> ExitCode {
    program::main(&Program {
        name: "ortolan-api",
        about: "Serve the HTTP API",
        role: Role::Api,
        service: |process| Box::pin(serve(process)),
        check: None,
    })
}
