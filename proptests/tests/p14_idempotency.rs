//! Property 14: a delivery that comes again, however often and whenever, runs its task once.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use futures::future::join_all;
use ortolan_domain::job::Attempt;
use ortolan_domain::{TaskId, TaskStatus};
use ortolan_proptests::bench::Bench;
use ortolan_proptests::{CASES, CASES_OVER_SERVERS, House, case};
use ortolan_store::{Completion, Fence};
use proptest::prelude::*;
use tokio::runtime::Runtime;

#[test]
fn doubled_deliveries_run_once() {
    let runtime = Runtime::new().unwrap();
    let house = runtime.block_on(House::open()).unwrap();
    proptest!(ProptestConfig::with_cases(CASES), |(before in 1usize..8, after in 1usize..8)| {
        case(&runtime, async {
            let id = house.submit().await?;
            let attempt = house.dispatch(id).await?.unwrap();
            let owners: Vec<_> = (0..before).map(|n| format!("worker-{n}")).collect();
            let mut winners = Vec::new();
            let claims = owners.iter().map(|owner| house.claim(attempt, owner));
            for (owner, claimed) in owners.iter().zip(join_all(claims).await) {
                if claimed?.is_some() {
                    winners.push(owner.clone());
                }
            }
            anyhow::ensure!(winners.len() == 1, "{winners:?} claimed the same attempt");
            let fence = Fence { attempt, owner: winners[0].clone() };
            let done = Completion { fence, now: house.clock.now(), artifacts: vec![], inference_time_ms: None };
            anyhow::ensure!(house.stores.tasks.complete(done.clone()).await?, "the owner could not complete");
            for n in 0..after {
                anyhow::ensure!(house.claim(attempt, &format!("late-{n}")).await?.is_none(), "a completed task was claimed");
                anyhow::ensure!(!house.stores.tasks.complete(done.clone()).await?, "it was completed twice");
            }
            anyhow::ensure!(house.task(id).await?.status == TaskStatus::Completed);
            house.check(id).await
        })?;
    });
}

/// Of all that want to infer an attempt, one may.
async fn infer_once(bench: &Bench, attempts: Vec<i64>) -> anyhow::Result<()> {
    let task_id = TaskId::generate();
    let locks = attempts.iter().map(|&attempt| bench.results.take_lock(Attempt { task_id, attempt }));
    let taken = join_all(locks).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let runs = taken.into_iter().filter(|taken| *taken).count();
    let distinct: BTreeSet<_> = attempts.iter().collect();
    anyhow::ensure!(runs == distinct.len(), "{attempts:?} were inferred {runs} times");
    Ok(())
}

#[test]
fn doubled_inference_runs_once() {
    let runtime = Runtime::new().unwrap();
    let bench = runtime.block_on(Bench::open()).unwrap();
    proptest!(ProptestConfig::with_cases(CASES), |(attempts in prop::collection::vec(1i64..4, 1..12))| {
        case(&runtime, infer_once(&bench, attempts))?;
    });
}

#[test]
fn doubled_inference_runs_once_on_redis() {
    let runtime = Runtime::new().unwrap();
    let bench = runtime.block_on(Bench::on_redis()).unwrap();
    proptest!(ProptestConfig::with_cases(CASES_OVER_SERVERS), |(attempts in prop::collection::vec(1i64..4, 1..12))| {
        case(&runtime, infer_once(&bench, attempts))?;
    });
}
