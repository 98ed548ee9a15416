//! Metrics of processes that serve no HTTP: each leaves its own on Redis for a while, and one API shows them.
//!
//! Of several APIs only one shows them at a time, by a lease in the database: counters that two of them showed would count
//! twice in every sum. A process that ends takes its metrics away; those of one that dies end by themselves.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use ortolan_domain::Clock;
use ortolan_results::Cache;
use ortolan_service::health::MetricsPage;
use ortolan_service::telemetry::{MetricsHandle, Published};
use ortolan_store::{ProcessRecord, ProcessStore};

use super::parts::{Ports, Truth, process_id};

/// How long metrics stay without news of their process.
const KEPT: Duration = Duration::from_secs(20);
/// How long an API shows them alone after it was asked for them: a few times of the usual pause between two scrapes.
const SHOWN: Duration = Duration::from_secs(45);
/// How long the database and Redis may take for a page.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// What the lease is called.
const LEASE: &str = "metrics";
/// Most processes whose metrics are shown.
const MOST_PROCESSES: u32 = 64;
/// Most bytes of one process's metrics.
const MOST_BYTES: usize = 1 << 20;

/// Where a process without a port leaves its metrics.
#[derive(Clone)]
pub struct Publisher {
    board: Cache,
    metrics: MetricsHandle,
}

impl Publisher {
    /// One that leaves this process's metrics on Redis.
    pub fn new(ports: &Ports, metrics: MetricsHandle) -> Self {
        Self { board: ports.board.clone(), metrics }
    }

    /// Leaves what is known now.
    pub async fn publish(&self, process: &str) {
        let text = self.metrics.render();
        if text.len() <= MOST_BYTES {
            self.board.set(&key(process), Bytes::from(text), KEPT).await;
        }
    }

    /// Takes it away.
    pub async fn withdraw(&self, process: &str) {
        self.board.delete(&key(process)).await;
    }
}

/// The page of an API: its own metrics, and those that others left.
pub fn page(truth: &Truth, ports: &Ports, metrics: MetricsHandle) -> MetricsPage {
    let gatherer = Arc::new(Gatherer {
        id: process_id(ports),
        processes: truth.stores.processes.clone(),
        board: ports.board.clone(),
        clock: ports.clock.clone(),
    });
    let others = move || {
        let gathering = Arc::clone(&gatherer).gather();
        // Without them the page is shorter, and there at once.
        async { tokio::time::timeout(ANSWER_LIMIT, gathering).await.unwrap_or_default() }
    };
    MetricsPage::with_others(metrics, others)
}

struct Gatherer {
    id: String,
    processes: Arc<dyn ProcessStore>,
    board: Cache,
    clock: Arc<dyn Clock>,
}

impl Gatherer {
    /// What is there; nothing while another API shows it or the database does not answer.
    async fn gather(self: Arc<Self>) -> Vec<Published> {
        let now = self.clock.now();
        if !self.processes.lead(LEASE, &self.id, now, SHOWN).await.unwrap_or(false) {
            return Vec::new();
        }
        let processes = self.processes.processes(now.minus(KEPT), MOST_PROCESSES).await.unwrap_or_default();
        let mut published: Vec<_> = join_all(processes.into_iter().map(|process| self.of(process))).await;
        published.sort_by(|a, b| a.as_ref().map(|one| &one.process).cmp(&b.as_ref().map(|one| &one.process)));
        published.into_iter().flatten().collect()
    }

    async fn of(&self, ProcessRecord { id, service, .. }: ProcessRecord) -> Option<Published> {
        let text = self.board.get(&key(&id)).await?;
        let text = String::from_utf8(text.into()).ok()?;
        Some(Published { service, process: id, text })
    }
}

fn key(process: &str) -> String {
    format!("metrics:{process}")
}
