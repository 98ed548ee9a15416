//! Property 11: any number of workers share the jobs: all their places are filled, and no job is run twice.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use ortolan_domain::{TaskId, TaskStatus};
use ortolan_proptests::bench::{Bench, Running, attempt_of, worker_settings};
use ortolan_proptests::{CASES, CASES_OVER_SERVERS, case, good_item, result_of};
use proptest::prelude::*;
use tokio::runtime::Runtime;

/// How many workers with how many places each, and how many tasks.
type Shape = (usize, usize, usize);

async fn share(bench: &Bench, (workers, places, count): Shape) -> anyhow::Result<()> {
    let crew: Vec<Running> = (0..workers)
        .map(|number| bench.start_worker(&format!("{}-{number}", TaskId::generate()), worker_settings(places)))
        .collect();
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(bench.house.submit().await?);
    }
    bench.dispatch_all().await?;
    let mut left = count;
    while left > 0 {
        let running = bench.until_running(&ids, left.min(workers * places)).await?;
        let mut busy: BTreeMap<_, usize> = BTreeMap::new();
        running.iter().for_each(|task| *busy.entry(task.worker_id.clone()).or_default() += 1);
        anyhow::ensure!(busy.values().all(|&runs| runs <= places), "{busy:?} with {places} places each");
        anyhow::ensure!(left < workers * places || busy.len() == workers, "{busy:?}: not all {workers} workers work");
        for task in running {
            let result = serde_json::to_vec(&result_of(&task, vec![good_item()]))?;
            bench.results.put(attempt_of(&task), result.into()).await?;
            bench.ended(task.spec.id).await?;
            left -= 1;
        }
    }
    for id in ids {
        let task = bench.house.task(id).await?;
        anyhow::ensure!((task.status, task.attempt) == (TaskStatus::Completed, 1), "{task:?}");
        anyhow::ensure!(bench.house.heard.moments(id).len() == 4, "it was moved more than once through its life");
        bench.house.check(id).await?;
    }
    for worker in crew {
        worker.stop().await?;
    }
    Ok(())
}

#[test]
fn workers_share_and_double_nothing() {
    let runtime = Runtime::new().unwrap();
    let bench = runtime.block_on(Bench::open()).unwrap();
    proptest!(ProptestConfig::with_cases(CASES), |(shape in (1usize..5, 1usize..4, 1usize..16))| {
        case(&runtime, share(&bench, shape))?;
    });
}

#[test]
fn workers_share_and_double_nothing_on_redis() {
    let runtime = Runtime::new().unwrap();
    let bench = runtime.block_on(Bench::on_redis()).unwrap();
    proptest!(ProptestConfig::with_cases(CASES_OVER_SERVERS), |(shape in (1usize..4, 1usize..3, 1usize..8))| {
        case(&runtime, share(&bench, shape))?;
    });
}
