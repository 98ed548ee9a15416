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
use super::published::Publisher;

/// How often a process says that it lives.
const PERIOD: Duration = Duration::from_secs(5);
/// A process that was not heard of for so long is not well.
const SILENT_AFTER: Duration = Duration::from_secs(20);
/// Processes that are looked at to find one of this machine.
const MOST_PROCESSES: u32 = 10_000;

/// Says that a process lives, until it is told to stop.
pub struct Presence {
    processes: Arc<dyn ProcessStore>,
    publisher: Option<Publisher>,
    id: String,
    saying: AbortOnDropHandle<()>,
}

impl Presence {
    /// Of a worker, which publishes its metrics unless somebody else shows them.
    pub fn of_worker(truth: &Truth, ports: &Ports, worker: &Worker, publisher: Option<Publisher>) -> Self {
        let queues: Vec<_> = worker.queues().iter().map(|queue| queue.as_str()).collect();
        let record = record(worker.id(), "worker", queues.join(","), ports);
        let worker = worker.clone();
        Self::begin(truth, ports, record, publisher, move || worker.under_way() as u64)
    }

    /// Of a reconciler.
    pub fn of_reconciler(truth: &Truth, ports: &Ports, reconciler: &Reconciler, publisher: Publisher) -> Self {
        let record = record(reconciler.id(), "reconciler", String::new(), ports);
        Self::begin(truth, ports, record, Some(publisher), || 0)
    }

    fn begin(
        truth: &Truth,
        ports: &Ports,
        record: ProcessRecord,
        publisher: Option<Publisher>,
        running: impl Fn() -> u64 + Send + 'static,
    ) -> Self {
        let (processes, id) = (truth.stores.processes.clone(), record.id.clone());
        let voice = Voice { processes: processes.clone(), publisher: publisher.clone(), clock: ports.clock.clone() };
        let saying = tokio::spawn(voice.say(record, running));
        Self { processes, publisher, id, saying: AbortOnDropHandle::new(saying) }
    }

    /// Strikes the process off the register, and takes its metrics away.
    pub async fn end(self) {
        drop(self.saying);
        if let Some(publisher) = &self.publisher {
            publisher.withdraw(&self.id).await;
        }
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

/// Where a process says that it lives, and what it says besides.
struct Voice {
    processes: Arc<dyn ProcessStore>,
    publisher: Option<Publisher>,
    clock: Arc<dyn Clock>,
}

impl Voice {
    async fn say(self, mut record: ProcessRecord, running: impl Fn() -> u64) {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            (record.running, record.seen_at) = (running(), self.clock.now());
            if let Err(error) = self.processes.report_process(&record).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "this process could not say that it lives");
            }
            if let Some(publisher) = &self.publisher {
                publisher.publish(&record.id).await;
            }
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
