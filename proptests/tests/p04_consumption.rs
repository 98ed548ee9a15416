//! Property 4: a job that is consumed makes its task run, and when it has ended nothing of it is left in any queue.

#![allow(clippy::unwrap_used)]

use ortolan_domain::TaskStatus::{Completed, Pending, Queued, Running};
use ortolan_proptests::bench::{Bench, worker_settings};
use ortolan_proptests::{CASES, CASES_OVER_SERVERS, case};
use proptest::prelude::*;
use tokio::runtime::Runtime;

/// Runs no-ops of these lengths through the whole installation.
async fn consume(bench: &Bench, sleeps_ms: Vec<u64>) -> anyhow::Result<()> {
    let mut ids = Vec::new();
    for sleep_ms in sleeps_ms {
        ids.push(bench.house.submit_noop(sleep_ms).await?);
    }
    anyhow::ensure!(bench.dispatch_all().await? == ids.len(), "not all were dispatched");
    for &id in &ids {
        bench.ended(id).await?;
    }
    bench.until_all_is_acknowledged(&ids).await?;
    for id in ids {
        let life: Vec<_> = bench.house.heard.moments(id).iter().map(|moment| moment.status).collect();
        anyhow::ensure!(life == [Pending, Queued, Running, Completed], "{life:?}");
        bench.house.check(id).await?;
    }
    Ok(())
}

fn property(runtime: &Runtime, bench: &Bench, cases: u32) {
    let _running = runtime.block_on(async {
        [
            bench.start_worker("worker", worker_settings(4)),
            bench.start_ml_service(env!("CARGO_BIN_EXE_property-runner")).await.unwrap(),
        ]
    });
    proptest!(ProptestConfig::with_cases(cases), |(sleeps_ms in prop::collection::vec(0u64..4, 1..9))| {
        case(runtime, consume(bench, sleeps_ms))?;
    });
}

#[test]
fn what_is_consumed_runs_and_is_acknowledged() {
    let runtime = Runtime::new().unwrap();
    let bench = runtime.block_on(Bench::open()).unwrap();
    property(&runtime, &bench, CASES);
}

#[test]
fn what_is_consumed_runs_and_is_acknowledged_on_redis() {
    let runtime = Runtime::new().unwrap();
    let bench = runtime.block_on(Bench::on_redis()).unwrap();
    property(&runtime, &bench, CASES_OVER_SERVERS);
}
