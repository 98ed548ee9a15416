//! A model run in a loop and nothing else: what no service around it can be faster than.

use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ortolan::cli::RawLoopArgs;
use ortolan_engine::{Datatype, Engine, RunControl, Session, SessionOptions, TensorView};

/// Unmeasured runs before the measured ones.
const WARM_UP_RUNS: usize = 5;

/// Runs the model for about as long as asked and prints `{"runs_per_s": ..}`, of all loops together.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub fn run(library: &Path, args: &RawLoopArgs) -> Result<()> {
    let engine = Engine::open(library)?;
    let bytes = std::fs::read(&args.model).with_context(|| format!("{} cannot be read", args.model.display()))?;
    let options = SessionOptions { device: args.device, ..SessionOptions::default() };
    let sessions = (0..args.loops).map(|_| engine.load(&bytes, &options)).collect::<Result<Vec<_>, _>>()?;
    let inputs = sessions.first().map(|session| session.signature().inputs).unwrap_or_default();
    ensure!(inputs.iter().all(|input| input.element == Some(Datatype::Fp32)), "only FP32 inputs can be made up");
    let (ready, length) = (Barrier::new(sessions.len()), Duration::from_secs_f64(args.seconds));
    let runs_per_s: f64 = std::thread::scope(|scope| {
        let start = |session| scope.spawn(|| one_loop(session, &ready, length));
        let loops: Vec<_> = sessions.into_iter().map(start).collect();
        loops.into_iter().map(|one| one.join().unwrap_or_else(|_| bail!("a loop panicked"))).sum::<Result<f64>>()
    })?;
    println!("{{\"runs_per_s\": {runs_per_s}}}");
    Ok(())
}

/// Runs of one session a second, measured once all loops are warm.
fn one_loop(mut session: Session, ready: &Barrier, length: Duration) -> Result<f64> {
    let inputs = session.signature().inputs;
    let dims: Vec<Vec<i64>> = inputs.iter().map(dims).collect();
    let values: Vec<Vec<f32>> =
        dims.iter().map(|dims| vec![0.5; dims.iter().product::<i64>().unsigned_abs() as usize]).collect();
    let views: Vec<_> = dims.iter().zip(&values).map(|(dims, values)| TensorView::of_f32(dims, values)).collect();
    let warm_up = RunControl::new().and_then(|control| {
        (0..WARM_UP_RUNS).try_for_each(|_| session.run(&views, &control).map(drop))?;
        Ok(control)
    });
    // Reached by every loop, lest the others wait for one that failed.
    ready.wait();
    let control = warm_up?;
    let (began, mut runs) = (Instant::now(), 0u64);
    while began.elapsed() < length {
        session.run(&views, &control)?;
        runs += 1;
    }
    Ok(runs as f64 / began.elapsed().as_secs_f64())
}

/// The input's own sizes, 1 for a free one.
fn dims(input: &ortolan_engine::TensorSpec) -> Vec<i64> {
    input.dims.iter().map(|dim| dim.fixed().and_then(|size| i64::try_from(size).ok()).unwrap_or(1)).collect()
}
