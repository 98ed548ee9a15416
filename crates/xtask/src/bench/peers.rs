//! Task queues of others, measured beside Ortolan on the same servers.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::floors::figure;
use super::server::{Server, free_address};
use super::stores::Stores;

/// Names the folder with their Python packages.
const PACKAGES: &str = "BENCH_QUEUES_PACKAGES";
const SCRIPTS: &str = "crates/xtask/python/queues";

/// True when pip gave their packages.
pub fn are_there() -> bool {
    std::env::var_os(PACKAGES).is_some()
}

/// No-op jobs a second through procrastinate, with so many under way, on a database of its own.
pub fn procrastinate_per_s(stores: &Stores, under_way: usize, length: Duration) -> Result<f64> {
    let mut command = python("procrastinate_queue.py")?;
    command.env("DATABASE_URL", stores.fresh_database("bench_procrastinate")?);
    command.arg("measure").args([
        "--seconds",
        &length.as_secs_f64().to_string(),
        "--under-way",
        &under_way.to_string(),
    ]);
    figure(command, "tasks_per_s")
}

/// FastAPI in front of Celery, which answers as Ortolan does.
pub fn celery(stores: &Stores, folder: &Path) -> Result<Server> {
    let address: SocketAddr = free_address()?;
    let mut command = python("celery_service.py")?;
    command.env("REDIS_URL", stores.other_redis()).args(["--port", &address.port().to_string()]);
    Server::of_command(command, address, folder.join("celery.log"), "/health/ready")
}

fn python(script: &str) -> Result<Command> {
    let packages = std::env::var(PACKAGES);
    let packages =
        packages.with_context(|| format!("{PACKAGES} is not set; `./dev bench` sets it when pip gives them"))?;
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", packages).arg(format!("{SCRIPTS}/{script}"));
    Ok(command)
}
