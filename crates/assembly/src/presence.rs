//! The register of processes: who serves no HTTP says in the database that it lives, and whoever asks looks there.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ortolan_domain::{Clock, SystemClock};
use ortolan_service::config::{Config, Database};
use ortolan_store::{PostgresSettings, ProcessRecord, ProcessStore, Stores};
use tokio_util::task::AbortOnDropHandle;

use crate::published::Publisher;
use crate::{Deaf, Ports, Truth, host};

/// How often a process says that it lives.
const PERIOD: Duration = Duration::from_secs(5);
/// A process that was not heard of for so long is not well.
const SILENT_AFTER: Duration = Duration::from_secs(20);
/// Processes that are looked at to find one of this machine.
const MOST_PROCESSES: u32 = 10_000;

/// Who lives.
pub struct Who<'a> {
    /// The process, by a name that no other one has.
    pub id: &'a str,
    /// Its service.
    pub service: &'a str,
    /// The queues that it works off, with commas between them.
    pub queues: String,
}

/// Says that a process lives, until it is told to stop.
pub struct Presence {
    processes: Arc<dyn ProcessStore>,
    publisher: Option<Publisher>,
    id: String,
    saying: AbortOnDropHandle<()>,
}

impl Presence {
    /// Says from now on that a process lives, how many runs it has under way, and what it has measured, unless somebody
    /// else shows that.
    pub fn begin(
        truth: &Truth,
        ports: &Ports,
        who: Who<'_>,
        publisher: Option<Publisher>,
        running: impl Fn() -> u64 + Send + 'static,
    ) -> Self {
        let (processes, id) = (truth.stores.processes.clone(), who.id.to_owned());
        let voice = Voice { processes: processes.clone(), publisher: publisher.clone(), clock: ports.clock.clone() };
        let saying = tokio::spawn(voice.say(record(who, ports), running));
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

fn record(who: Who<'_>, ports: &Ports) -> ProcessRecord {
    let now = ports.clock.now();
    ProcessRecord {
        id: who.id.to_owned(),
        service: who.service.to_owned(),
        host: host(),
        queues: who.queues,
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
