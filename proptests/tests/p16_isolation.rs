//! Property 16: in any deployment a worker takes only from its own queues, and nothing of one tenant is seen or moved with
//! another's name. (That the API has no consumer, a worker no HTTP and the ML service no database are facts of linking,
//! which `./dev check` keeps, and of sockets, which the cluster tests look at.)

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use ortolan_domain::route::{GpuMode, QueueName, RouteTable};
use ortolan_domain::task::NewTask;
use ortolan_domain::{TaskId, TaskType};
use ortolan_proptests::bench::{Bench, Running, attempt_of, worker_settings};
use ortolan_proptests::{CASES, CASES_OVER_SERVERS, Home, House, case, good_item, result_of};
use ortolan_store::{CancelOutcome, EnqueueOutcome, RetryOutcome, TaskFilter, Tenant};
use ortolan_worker::WorkerSettings;
use proptest::prelude::*;
use tokio::runtime::Runtime;

/// The modes of some workers.
fn modes() -> impl Strategy<Value = Vec<GpuMode>> {
    let mode = prop::sample::select(vec![GpuMode::Gpu, GpuMode::Cpu, GpuMode::Auto]);
    let others = prop::collection::vec(mode, 0..4);
    // Someone takes from each queue, or tasks would wait for ever: one of each, or one that takes both.
    let all = prop::sample::select(vec![vec![GpuMode::Gpu, GpuMode::Cpu], vec![GpuMode::Auto]]);
    (all, others).prop_map(|(all, others)| [all, others].concat())
}

/// Tasks with or without a wish of their own for a device.
fn wishes() -> impl Strategy<Value = Vec<Option<bool>>> {
    prop::collection::vec(prop::option::of(any::<bool>()), 1..8)
}

async fn deploy(bench: &Bench, modes: Vec<GpuMode>, wishes: Vec<Option<bool>>, gpu_first: bool) -> anyhow::Result<()> {
    let (mut crew, mut takes): (Vec<Running>, BTreeMap<String, &[QueueName]>) = Default::default();
    for mode in modes {
        let (name, queues) = (format!("{mode:?}-{}", TaskId::generate()), mode.queues());
        let settings = WorkerSettings { queues: queues.to_vec(), ..worker_settings(2) };
        crew.push(bench.start_worker(&name, settings));
        takes.insert(name, queues);
    }
    let route = if gpu_first { QueueName::GpuJobs } else { QueueName::CpuJobs };
    let routes = RouteTable::with(&[(TaskType::ObjectDetection, route)].into())?;
    let mut ids = Vec::new();
    for wish in wishes {
        let queue = routes.queue(TaskType::ObjectDetection, wish);
        ids.push(bench.house.submit_task(NewTask { queue, ..bench.house.new_task()? }).await?);
    }
    bench.dispatch_all().await?;
    for id in ids {
        let task = bench.house.until(id, |task| task.worker_id.is_some()).await?;
        let worker = task.worker_id.clone().unwrap();
        anyhow::ensure!(takes[&worker].contains(&task.spec.queue), "{worker} took from {}", task.spec.queue);
        bench.results.put(attempt_of(&task), serde_json::to_vec(&result_of(&task, vec![good_item()]))?.into()).await?;
        bench.ended(id).await?;
    }
    for worker in crew {
        worker.stop().await?;
    }
    Ok(())
}

/// Brings a task some moves on, then tries everything on it in the stranger's name.
async fn trespass(house: &House, stranger: &Tenant, moves: u8) -> anyhow::Result<()> {
    let (id, tasks, now) = (house.submit().await?, &house.stores.tasks, house.clock.now());
    if moves > 0 {
        let attempt = house.dispatch(id).await?.unwrap();
        if moves > 1 {
            house.claim(attempt, "worker").await?.unwrap();
        }
    }
    if moves > 2 {
        tasks.cancel(house.tenant.id, id, now).await?;
    }
    let before = house.task(id).await?;
    let seen = tasks.get(stranger.id, id).await?.is_some() || tasks.artifacts(stranger.id, id, 10, 0).await?.is_some();
    anyhow::ensure!(!seen, "a stranger saw it");
    let all = TaskFilter { limit: 1000, ..TaskFilter::default() };
    anyhow::ensure!(tasks.list(stranger.id, &all, now).await?.items.is_empty(), "a stranger listed it");
    anyhow::ensure!(tasks.open_tasks(stranger.id).await? == 0, "it counts against a stranger");
    anyhow::ensure!(matches!(tasks.cancel(stranger.id, id, now).await?, CancelOutcome::NotFound), "cancelled");
    anyhow::ensure!(matches!(tasks.retry(stranger.id, id, now).await?, RetryOutcome::NotFound), "retried");
    anyhow::ensure!(matches!(tasks.enqueue(stranger.id, id, now).await?, EnqueueOutcome::NotFound), "enqueued");
    anyhow::ensure!(house.task(id).await?.version == before.version, "a stranger moved it");
    house.check(id).await
}

fn no_trespassing(home: Home, cases: u32) {
    let runtime = Runtime::new().unwrap();
    let (house, stranger) = runtime.block_on(async {
        let house = House::in_home(home, ortolan_domain::SystemClock::shared()).await.unwrap();
        let stranger = house.another_tenant("stranger").await.unwrap();
        (house, stranger)
    });
    proptest!(ProptestConfig::with_cases(cases), |(moves in 0u8..4)| {
        case(&runtime, trespass(&house, &stranger, moves))?;
    });
}

#[test]
fn workers_take_only_what_is_theirs() {
    let runtime = Runtime::new().unwrap();
    let bench = runtime.block_on(Bench::open()).unwrap();
    proptest!(ProptestConfig::with_cases(CASES), |(modes in modes(), wishes in wishes(), gpu_first in any::<bool>())| {
        case(&runtime, deploy(&bench, modes, wishes, gpu_first))?;
    });
}

#[test]
fn a_strangers_name_opens_nothing() {
    no_trespassing(Home::folder().unwrap(), CASES);
}

#[test]
fn a_strangers_name_opens_nothing_over_postgres() {
    no_trespassing(Home::postgres().unwrap(), CASES_OVER_SERVERS);
}
