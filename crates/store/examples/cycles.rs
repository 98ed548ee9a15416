//! How many full cycles (submit, dispatch, claim, complete) per second a store carries, and how long each step takes.
//!
//! `cargo run --release -p ortolan-store --example cycles -- [FOLDER | postgres://...] [IN_FLIGHT] [SECONDS]`
#![allow(clippy::print_stdout)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use ortolan_domain::job::Attempt;
use ortolan_domain::route::QueueName;
use ortolan_domain::task::NewTask;
use ortolan_domain::{Clock, Origin, Priority, RunId, SystemClock, TaskId, TaskType, TenantId, TenantSlug};
use ortolan_store::{
    Claim, Completion, DispatchLimits, Fence, PostgresSettings, SqliteSettings, Stores, TaskChange, TaskObserver,
    Tenant,
};
use tokio::sync::oneshot;

const LIMITS: DispatchLimits = DispatchLimits { window: 1000, per_tenant: 1000 };

struct Nobody;

impl TaskObserver for Nobody {
    fn changed(&self, _: &[TaskChange]) {}
}

/// Hands each dispatched attempt to whoever submitted its task: a dispatch gives its caller the others' tasks, too.
#[derive(Default)]
struct Deliveries {
    expected: Mutex<HashMap<TaskId, oneshot::Sender<Attempt>>>,
}

impl Deliveries {
    fn expect(&self, id: TaskId) -> oneshot::Receiver<Attempt> {
        let (sender, receiver) = oneshot::channel();
        self.expected.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(id, sender);
        receiver
    }

    fn deliver(&self, attempts: Vec<Attempt>) {
        let mut expected = self.expected.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for attempt in attempts {
            if let Some(sender) = expected.remove(&attempt.task_id) {
                let _ = sender.send(attempt);
            }
        }
    }
}

/// Durations of each step.
#[derive(Default)]
struct Steps([Vec<Duration>; 5]);

impl Steps {
    const NAMES: [&str; 5] = ["submit", "dispatch", "claim", "complete", "cycle"];

    fn add(&mut self, others: Self) {
        for (all, more) in self.0.iter_mut().zip(others.0) {
            all.extend(more);
        }
    }

    fn print(&mut self) {
        for (name, times) in Self::NAMES.iter().zip(&mut self.0) {
            times.sort_unstable();
            let at =
                |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default().as_secs_f64() * 1e3;
            println!("{name:>9}: p50 {:7.3} ms  p90 {:7.3} ms  p99 {:7.3} ms", at(50), at(90), at(99));
        }
    }
}

async fn one_cycle(stores: &Stores, tenant: &Tenant, deliveries: &Deliveries, steps: &mut Steps) -> anyhow::Result<()> {
    let begin = Instant::now();
    let mut last = begin;
    let mut step = |at: usize, since: &mut Instant| {
        steps.0[at].push(since.elapsed());
        *since = Instant::now();
    };
    let id = TaskId::generate();
    let expected = deliveries.expect(id);
    stores.tasks.submit(new_task(id, tenant)?, None).await?;
    step(0, &mut last);
    let moved = stores.tasks.dispatch(QueueName::CpuJobs, LIMITS, SystemClock.now()).await?;
    deliveries.deliver(moved.into_iter().map(|change| change.attempt).collect());
    let fence = Fence { attempt: expected.await?, owner: "worker-1".to_owned() };
    step(1, &mut last);
    let (run_id, now) = (RunId::generate(), SystemClock.now());
    let claim =
        Claim { fence: fence.clone(), run_id, now, lease: Duration::from_secs(15), limit: Duration::from_secs(60) };
    stores.tasks.claim(claim).await?.context("the claim was refused")?;
    step(2, &mut last);
    let completion = Completion { fence, now: SystemClock.now(), artifacts: Vec::new(), inference_time_ms: Some(1.0) };
    anyhow::ensure!(stores.tasks.complete(completion).await?, "the completion was refused");
    step(3, &mut last);
    steps.0[4].push(begin.elapsed());
    Ok(())
}

fn new_task(id: TaskId, tenant: &Tenant) -> anyhow::Result<NewTask> {
    Ok(NewTask {
        id,
        tenant_id: tenant.id,
        tenant: tenant.name.clone(),
        task_type: TaskType::Noop,
        queue: QueueName::CpuJobs,
        priority: Priority::Normal,
        config: serde_json::value::to_raw_value(&serde_json::json!({"sleep_ms": 0}))?,
        config_hash: "0".repeat(64),
        input: None,
        created_at: SystemClock.now(),
        expires_at: None,
        origin: Origin::default(),
    })
}

async fn new_tenant(stores: &Stores) -> anyhow::Result<Tenant> {
    let id = TenantId::generate();
    let name = TenantSlug::parse(&format!("tenant-{id}"))?;
    let tenant = Tenant { id, name, display_name: None, disabled: false, created_at: SystemClock.now() };
    stores.tenants.create_tenant(&tenant).await?;
    Ok(tenant)
}

async fn open(target: &str) -> anyhow::Result<Stores> {
    let stores = if target.starts_with("postgres") {
        Stores::postgres(PostgresSettings::at(target), Arc::new(Nobody)).await?
    } else {
        let file = std::path::Path::new(target).join(format!("cycles-{}.db", TenantId::generate()));
        Stores::sqlite(SqliteSettings::at(file), Arc::new(Nobody)).await?
    };
    stores.migrate().await?;
    Ok(stores)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let target = arguments.first().cloned().unwrap_or_else(|| std::env::temp_dir().display().to_string());
    let in_flight: usize = arguments.get(1).map_or(Ok(64), |text| text.parse())?;
    let seconds: u64 = arguments.get(2).map_or(Ok(5), |text| text.parse())?;

    let stores = open(&target).await?;
    let (tenant, deliveries) = (new_tenant(&stores).await?, Arc::new(Deliveries::default()));
    let begin = Instant::now();
    let end = begin + Duration::from_secs(seconds);
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..in_flight {
        let (stores, tenant, deliveries) = (stores.clone(), tenant.clone(), deliveries.clone());
        clients.spawn(async move {
            let mut steps = Steps::default();
            while Instant::now() < end {
                one_cycle(&stores, &tenant, &deliveries, &mut steps).await?;
            }
            anyhow::Ok(steps)
        });
    }
    let mut steps = Steps::default();
    for client in clients.join_all().await {
        steps.add(client?);
    }
    let cycles = steps.0[4].len();
    println!("{cycles} cycles, {in_flight} in flight: {:.0}/s", cycles as f64 / begin.elapsed().as_secs_f64());
    steps.print();
    stores.close().await;
    Ok(())
}
