//! One cell of one target: an answer that is checked, then the load, and the processor time it cost.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::cells::Cell;
use super::models::Models;
use super::targets::Running;
use crate::bench::http::Connection;
use crate::bench::server::on_cores;

/// Requests before the measured ones, so that connections, caches and threads are warm.
const WARM_UP: Duration = Duration::from_millis(500);

/// What one measurement gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Good answers a second.
    pub per_s: f64,
    /// Half of the answers took at most so long; none for a bare loop.
    pub p50_ms: Option<f64>,
    /// 99 of 100 took at most so long.
    pub p99_ms: Option<f64>,
    /// Processor time of the server with its children for an answer, in microseconds.
    pub server_us: Option<f64>,
    /// The load generator's share of its core.
    pub load_cores: Option<f64>,
    /// How many went wrong.
    pub errors: u64,
    /// What was wrong with the first of them.
    pub first_error: Option<String>,
}

/// What `ortolan-bench load` prints.
#[derive(Deserialize)]
struct Load {
    per_s: f64,
    answers: u64,
    p50_ms: f64,
    p99_ms: f64,
    errors: u64,
    first_error: Option<String>,
    load_cores: f64,
}

/// Where the load comes from.
#[derive(Debug)]
pub struct Generator<'a> {
    /// The folder of the release build.
    pub programs: &'a Path,
    /// The cores that it gets.
    pub cores: &'a str,
    /// A folder for the request.
    pub folder: &'a Path,
}

impl Sample {
    /// What a loop without a server gave.
    pub fn of_loop(per_s: f64) -> Self {
        Self { per_s, p50_ms: None, p99_ms: None, server_us: None, load_cores: None, errors: 0, first_error: None }
    }
}

/// Measures the cell for `length`.
pub fn measure(
    cell: &Cell,
    running: &Running,
    models: &Models,
    generator: &Generator<'_>,
    length: Duration,
) -> Result<Sample> {
    let request = running.request(cell, models)?;
    let answer = Connection::new(running.server.address).send(&request)?;
    models.check(cell, &answer)?;
    let file = generator.folder.join("request");
    std::fs::write(&file, &request)?;
    let before = running.server.processor_s();
    let load = generator.run(cell, running, &file, length)?;
    let used_s = running.server.processor_s() - before;
    if load.answers == 0 {
        bail!("no good answer; {} errors, the first: {}", load.errors, load.first_error.unwrap_or_default());
    }
    // The warm-up is in the processor time and not in the answers, so its share is taken out.
    let share = length.as_secs_f64() / (length + WARM_UP).as_secs_f64();
    Ok(Sample {
        per_s: load.per_s,
        p50_ms: Some(load.p50_ms),
        p99_ms: Some(load.p99_ms),
        server_us: Some(used_s * share / load.answers as f64 * 1e6),
        load_cores: Some(load.load_cores),
        errors: load.errors,
        first_error: load.first_error,
    })
}

impl Generator<'_> {
    fn run(&self, cell: &Cell, running: &Running, request: &Path, length: Duration) -> Result<Load> {
        let mut command = on_cores(self.cores, &self.programs.join("ortolan-bench"));
        command.args(["load", "--address", &running.server.address.to_string(), "--request"]).arg(request);
        command.args(["--connections", &cell.connections.to_string()]);
        command.args(["--seconds", &length.as_secs_f64().to_string()]);
        command.args(["--warm-up-seconds", &WARM_UP.as_secs_f64().to_string()]);
        let output = command.output().context("taskset could not be started")?;
        if !output.status.success() {
            bail!("the load generator failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        serde_json::from_slice(&output.stdout).context("the load generator printed something else than its figures")
    }
}
