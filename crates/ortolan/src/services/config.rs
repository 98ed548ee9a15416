//! `ortolan config`: the effective configuration and where each value came from.

use ortolan::cli::{GlobalArgs, ServiceArgs};
use ortolan::{Failure, Terminal};
use ortolan_service::config::Role;

/// Prints it, secrets redacted.
pub fn run(args: &ServiceArgs, global: &GlobalArgs, terminal: Terminal) -> Result<(), Failure> {
    let config = super::load(super::options(global, Role::Everything), args.config.as_deref())?;
    if terminal.is_json() { terminal.json(&config) } else { terminal.line(config.effective_toml().trim_end()) }
}
