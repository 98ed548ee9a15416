//! What no task service can beat on this machine: the disk's syncs, and ONNX Runtime in a bare loop.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

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

/// Runs of the model a second by so many `ortolan raw-loop`s at once: the runtime and nothing around it, on one thread each.
pub fn raw_runs_per_s(binary: &Path, model: &Path, at_once: usize, length: Duration) -> Result<f64> {
    let one = || raw_loop(Command::new(binary), model, length);
    std::thread::scope(|scope| {
        let loops: Vec<_> = (0..at_once).map(|_| scope.spawn(one)).collect();
        loops.into_iter().map(|raw| raw.join().unwrap_or_else(|_| bail!("a raw loop's thread panicked"))).sum()
    })
}

/// Runs of the model a second by one loop on these cores.
pub fn pinned_raw_runs_per_s(binary: &Path, cores: &str, model: &Path, length: Duration) -> Result<f64> {
    let mut command = Command::new("taskset");
    command.args(["-c", cores]).arg(binary);
    raw_loop(command, model, length)
}

fn raw_loop(mut command: Command, model: &Path, length: Duration) -> Result<f64> {
    #[derive(Deserialize)]
    struct RawLoop {
        runs_per_s: f64,
    }
    let seconds = length.as_secs_f64().to_string();
    let output = command.arg("raw-loop").arg("--model").arg(model).args(["--seconds", &seconds]).output()?;
    if !output.status.success() {
        bail!("ortolan raw-loop ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    let answer: RawLoop =
        serde_json::from_slice(&output.stdout).context("ortolan raw-loop printed something else than its figure")?;
    Ok(answer.runs_per_s)
}
