//! What no task service can beat on this machine: the disk's syncs, and ONNX Runtime in a bare loop.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::server::on_cores;

/// A database page.
const PAGE: [u8; 4096] = [0x5a; 4096];

/// Pages written and synced one after the other in a file of the folder, a second.
pub fn disk_syncs_per_s(folder: &Path, length: Duration) -> Result<f64> {
    let path = folder.join("sync-floor");
    let mut file = File::create(&path)?;
    let start = Instant::now();
    let mut syncs = 0;
    while start.elapsed() < length {
        file.write_all(&PAGE)?;
        file.sync_data()?;
        syncs += 1;
    }
    let per_s = f64::from(syncs) / start.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    Ok(per_s)
}

/// Runs of the model a second by so many `ortolan raw-loop`s at once: the runtime and nothing around it, on one thread each; bound to
/// a core each where that is wanted.
pub fn raw_runs_per_s(binary: &Path, model: &Path, loops: usize, length: Duration, is_bound: bool) -> Result<f64> {
    at_once(loops, |number| {
        raw_loop(if is_bound { on_cores(&number.to_string(), binary) } else { Command::new(binary) }, model, length)
    })
}

/// Runs of the model a second by one loop on these cores.
pub fn raw_runs_per_s_on(cores: &str, binary: &Path, model: &Path, length: Duration) -> Result<f64> {
    raw_loop(on_cores(cores, binary), model, length)
}

/// Runs of the model a second by so many loops at once in one process on a device, each with a session of its own.
pub fn raw_runs_per_s_at(device: &str, binary: &Path, model: &Path, loops: usize, length: Duration) -> Result<f64> {
    let mut command = Command::new(binary);
    command.arg("raw-loop").args(["--device", device, "--loops", &loops.to_string(), "--model"]).arg(model);
    command.args(["--seconds", &length.as_secs_f64().to_string()]);
    figure(command, "runs_per_s")
}

fn raw_loop(mut command: Command, model: &Path, length: Duration) -> Result<f64> {
    command.arg("raw-loop").arg("--model").arg(model).args(["--seconds", &length.as_secs_f64().to_string()]);
    figure(command, "runs_per_s")
}

/// The sum of what so many gave at the same time.
pub fn at_once(count: usize, one: impl Fn(usize) -> Result<f64> + Sync) -> Result<f64> {
    let one = &one;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|number| scope.spawn(move || one(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("a thread panicked"))).sum()
    })
}

/// Runs a command that prints a JSON object with one figure in it.
pub fn figure(mut command: Command, name: &str) -> Result<f64> {
    let output = command.output().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    if !output.status.success() {
        bail!("{command:?} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    let answer: Value = serde_json::from_slice(&output.stdout).context("something else than a figure was printed")?;
    answer[name].as_f64().with_context(|| format!("there is no {name} in {answer}"))
}
