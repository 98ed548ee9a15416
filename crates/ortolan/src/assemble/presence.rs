//! The register of processes: who serves no HTTP says in the database that it lives, and whoever asks looks there.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ortolan_domain::{Clock, SystemClock};
use ortolan_reconciler::Reconciler;
use ortolan_service::config::{Config, Database};
use ortolan_store::{PostgresSettings, ProcessRecord, ProcessStore, Stores, TaskChange, TaskObserver};
use ortolan_worker::Worker;
use tokio_util::task::AbortOnDropHandle;

use super::parts::{Ports, Truth, host};

/// How often a process says that it lives.
const PERIOD: Duration = Duration::from_secs(5);
/// A process that was not heard of for so long is not well.
const SILENT_AFTER: Duration = Duration::from_secs(20);
/// Processes that are looked at to find one of this machine.
const MOST_PROCESSES: u32 = 10_000;

/// Says that a process lives, until it is told to stop.
pub struct Presence {
    processes: Arc<dyn ProcessStore>,
    id: String,
    _saying: AbortOnDropHandle<()>,
}

impl Presence {
    /// Of a worker.
    pub fn of_worker(truth: &Truth, ports: &Ports, worker: &Worker) -> Self {
        let queues: Vec<_> = worker.queues().iter().map(|queue| queue.as_str()).collect();
        let record = record(worker.id(), "worker", queues.join(","), ports);
        let worker = worker.clone();
        Self::begin(truth, ports, record, move || worker.under_way() as u64)
    }

    /// Of a reconciler.
    pub fn of_reconciler(truth: &Truth, ports: &Ports, reconciler: &Reconciler) -> Self {
        Self::begin(truth, ports, record(reconciler.id(), "reconciler", String::new(), ports), || 0)
    }

    fn begin(truth: &Truth, ports: &Ports, record: ProcessRecord, running: impl Fn() -> u64 + Send + 'static) -> Self {
        let (processes, clock, id) = (truth.stores.processes.clone(), ports.clock.clone(), record.id.clone());
        let saying = tokio::spawn(say(processes.clone(), clock, record, running));
        Self { processes, id, _saying: AbortOnDropHandle::new(saying) }
    }

    /// Strikes the process off the register.
    pub async fn end(self) {
        if let Err(error) = self.processes.strike_process(&self.id).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "this process stays listed for a while");
        }
    }
}

fn record(id: &str, service: &str, queues: String, ports: &Ports) -> ProcessRecord {
    let now = ports.clock.now();
    ProcessRecord {
        id: id.to_owned(),
        service: service.to_owned(),
        host: host(),
        queues,
        running: 0,
        started_at: now,
        seen_at: now,
    }
}

async fn say(
    processes: Arc<dyn ProcessStore>,
    clock: Arc<dyn Clock>,
    mut record: ProcessRecord,
    running: impl Fn() -> u64,
) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        (record.running, record.seen_at) = (running(), clock.now());
        if let Err(error) = processes.report_process(&record).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "this process could not say that it lives");
        }
    }
}

/// Hears nothing: whoever looks does not change anything.
struct Deaf;

impl TaskObserver for Deaf {
    fn changed(&self, _: &[TaskChange]) {}
}

/// Succeeds when a process of this service and this machine was heard of lately; what a container's health check asks.
pub async fn check(config: &Config, service: &str) -> Result<()> {
    let Database::Postgres(url) = config.database()? else {
        bail!("a single service needs database.url (DATABASE_URL) of a PostgreSQL server")
    };
    let settings = PostgresSettings { max_connections: 1, ..PostgresSettings::at(url.expose()) };
    let stores = Stores::postgres(settings, Arc::new(Deaf)).await.context("the database does not answer")?;
    let since = SystemClock.now().minus(SILENT_AFTER);
    let found = stores.processes.processes(since, MOST_PROCESSES).await;
    stores.close().await;
    let host = host();
    if found?.iter().any(|process| process.service == service && process.host == host) {
        return Ok(());
    }
    bail!("no {service} of {host} was heard of in the last {} s", SILENT_AFTER.as_secs())
}
