//! Property 15: a worker that is told to stop, at any moment, ends what it has begun and begins nothing more; what it cannot
//! end in time it gives back uncounted; another worker does the rest, and nothing is done twice.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::time::Duration;

use ortolan_domain::{Task, TaskId, TaskStatus};
use ortolan_proptests::bench::{Bench, Running, attempt_of, worker_settings};
use ortolan_proptests::{CASES, case, good_item, result_of};
use ortolan_worker::WorkerSettings;
use proptest::prelude::*;
use tokio::runtime::Runtime;

async fn answer(bench: &Bench, task: &Task) -> anyhow::Result<()> {
    let result = serde_json::to_vec(&result_of(task, vec![good_item()]))?;
    bench.results.put(attempt_of(task), result.into()).await?;
    Ok(())
}

fn start(bench: &Bench, name: &str, places: usize, drain: Duration) -> Running {
    let settings = WorkerSettings { drain, ..worker_settings(places) };
    bench.start_worker(&format!("{name}-{}", TaskId::generate()), settings)
}

/// Submits and delivers tasks; gives their ids.
async fn submit(bench: &Bench, count: usize) -> anyhow::Result<Vec<TaskId>> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(bench.house.submit().await?);
    }
    bench.dispatch_all().await?;
    Ok(ids)
}

/// Another worker does what is left.
async fn finish(bench: &Bench, ids: &[TaskId]) -> anyhow::Result<()> {
    let other = start(bench, "other", ids.len(), Duration::from_secs(30));
    bench.dispatch_all().await?;
    let mut open = Vec::new();
    for &id in ids {
        if !bench.house.task(id).await?.status.is_terminal() {
            open.push(id);
        }
    }
    for task in bench.until_running(&open, open.len()).await? {
        answer(bench, &task).await?;
        bench.ended(task.spec.id).await?;
    }
    for &id in ids {
        let task = bench.house.task(id).await?;
        anyhow::ensure!(task.status == TaskStatus::Completed, "{task:?}");
        anyhow::ensure!((task.failures, task.crashes) == (0, 0), "stopping was counted against the task: {task:?}");
        bench.house.check(id).await?;
    }
    other.stop().await
}

/// Answers whatever runs until the worker has stopped.
async fn answer_until_it_stops(bench: &Bench, ids: &[TaskId], worker: &Running) -> anyhow::Result<()> {
    let mut answered = BTreeSet::new();
    while !worker.has_stopped() {
        for &id in ids {
            let task = bench.house.task(id).await?;
            if task.status == TaskStatus::Running && answered.insert(id) {
                answer(bench, &task).await?;
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// The runs under way get their results only after the worker was told to stop.
async fn stop_and_wait(bench: &Bench, count: usize, places: usize, ended_before: usize) -> anyhow::Result<()> {
    let worker = start(bench, "first", places, Duration::from_secs(30));
    let ids = submit(bench, count).await?;
    let mut left = count;
    for _ in 0..ended_before.min(count) {
        let running = bench.until_running(&ids, left.min(places)).await?;
        answer(bench, &running[0]).await?;
        bench.ended(running[0].spec.id).await?;
        left -= 1;
    }
    let under_way = bench.until_running(&ids, left.min(places)).await?;
    worker.ask_to_stop();
    answer_until_it_stops(bench, &ids, &worker).await?;
    worker.stop().await?;
    for task in under_way {
        let ended = bench.house.task(task.spec.id).await?;
        anyhow::ensure!((ended.status, ended.attempt) == (TaskStatus::Completed, 1), "{ended:?}");
    }
    anyhow::ensure!(bench.count(&ids, TaskStatus::Running).await? == 0, "a run was left behind");
    let queued = bench.count(&ids, TaskStatus::Queued).await?;
    anyhow::ensure!(bench.queues.gpu.depth().await? as usize == queued, "a delivery was taken and not begun");
    finish(bench, &ids).await?;
    for id in ids {
        anyhow::ensure!(bench.house.task(id).await?.attempt == 1, "it was tried twice");
    }
    Ok(())
}

/// The runs under way never get their results.
async fn stop_at_once(bench: &Bench, count: usize, places: usize) -> anyhow::Result<()> {
    let worker = start(bench, "first", places, Duration::ZERO);
    let ids = submit(bench, count).await?;
    bench.until_running(&ids, count.min(places)).await?;
    worker.stop().await?;
    anyhow::ensure!(bench.count(&ids, TaskStatus::Running).await? == 0, "a run was not given back");
    finish(bench, &ids).await
}

#[test]
fn what_is_begun_is_ended_and_the_rest_is_left_to_others() {
    let runtime = Runtime::new().unwrap();
    let bench = runtime.block_on(Bench::open()).unwrap();
    proptest!(ProptestConfig::with_cases(CASES), |(count in 1usize..9, places in 1usize..4, ended_before in 0usize..4)| {
        case(&runtime, stop_and_wait(&bench, count, places, ended_before))?;
    });
}

#[test]
fn what_cannot_be_ended_in_time_is_given_back() {
    let runtime = Runtime::new().unwrap();
    let bench = runtime.block_on(Bench::open()).unwrap();
    proptest!(ProptestConfig::with_cases(CASES), |(count in 1usize..6, places in 1usize..4)| {
        case(&runtime, stop_at_once(&bench, count, places))?;
    });
}
