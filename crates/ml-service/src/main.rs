//! The ML service and its runners, and nothing else.

use std::process::ExitCode;

use ortolan_assembly::program::{self, Program};
use ortolan_ml_service::assemble::{begin, serve};
use ortolan_service::config::Role;

fn main() -> ExitCode {
    if let Some(ended) = begin() {
        return ended;
    }
    program::main(&Program {
        name: "ortolan-ml-service",
        about: "Run the models: the one service that needs a GPU",
        role: Role::MlService,
        service: |process| Box::pin(serve(process)),
        check: None,
    })
}
