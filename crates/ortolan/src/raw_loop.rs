//! A model run in a loop and nothing else: what no service around it can be faster than.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ortolan_engine::{Datatype, Engine, RunControl, SessionOptions, TensorView};

/// Unmeasured runs before the measured ones.
const WARM_UP_RUNS: usize = 5;

/// Runs `model` for about `seconds` on one thread and prints `{"runs_per_s": ..}`.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub fn run(library: &Path, model: &Path, seconds: f64) -> Result<()> {
    let engine = Engine::open(library)?;
    let bytes = std::fs::read(model).with_context(|| format!("{} cannot be read", model.display()))?;
    let mut session = engine.load(&bytes, &SessionOptions::default())?;
    let inputs = session.signature().inputs;
    ensure!(inputs.iter().all(|input| input.element == Some(Datatype::Fp32)), "only FP32 inputs can be made up");
    let dims: Vec<Vec<i64>> = inputs.iter().map(dims).collect();
    let values: Vec<Vec<f32>> =
        dims.iter().map(|dims| vec![0.5; dims.iter().product::<i64>().unsigned_abs() as usize]).collect();
    let views: Vec<_> = dims.iter().zip(&values).map(|(dims, values)| TensorView::of_f32(dims, values)).collect();
    let control = RunControl::new()?;
    for _ in 0..WARM_UP_RUNS {
        session.run(&views, &control)?;
    }
    let (began, mut runs) = (Instant::now(), 0u64);
    while began.elapsed() < Duration::from_secs_f64(seconds) {
        session.run(&views, &control)?;
        runs += 1;
    }
    println!("{{\"runs_per_s\": {}}}", runs as f64 / began.elapsed().as_secs_f64());
    Ok(())
}

/// The input's own sizes, 1 for a free one.
fn dims(input: &ortolan_engine::TensorSpec) -> Vec<i64> {
    input.dims.iter().map(|dim| dim.fixed().and_then(|size| i64::try_from(size).ok()).unwrap_or(1)).collect()
}
