//! The page of metrics: the API's own, and those that processes without a port left on Redis.
//!
//! Of several APIs only one shows the others' at a time, by a lease in the database: counters that two of them showed
//! would count twice in every sum.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use ortolan_assembly::published::{KEPT, published};
use ortolan_assembly::{Ports, Truth};
use ortolan_domain::Clock;
use ortolan_results::Cache;
use ortolan_service::health::MetricsPage;
use ortolan_service::telemetry::{MetricsHandle, Published};
use ortolan_store::{ProcessRecord, ProcessStore};

/// How long an API shows them alone after it was asked for them: a few times of the usual pause between two scrapes.
const SHOWN: Duration = Duration::from_secs(45);
/// How long the database and Redis may take for a page.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// What the lease is called.
const LEASE: &str = "metrics";
/// Most processes whose metrics are shown.
const MOST_PROCESSES: u32 = 64;

/// The page of an API.
pub fn page(truth: &Truth, ports: &Ports, metrics: MetricsHandle) -> MetricsPage {
    let gatherer = Arc::new(Gatherer {
        id: ports.process_id(),
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
        let found = join_all(processes.into_iter().map(|process| self.of(process))).await;
        let mut found: Vec<_> = found.into_iter().flatten().collect();
        found.sort_by(|a, b| a.process.cmp(&b.process));
        found
    }

    async fn of(&self, ProcessRecord { id, service, .. }: ProcessRecord) -> Option<Published> {
        let text = published(&self.board, &id).await?;
        Some(Published { service, process: id, text })
    }
}
