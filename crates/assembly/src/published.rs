//! Metrics of processes that serve no HTTP: each leaves its own on Redis for a while, for an API to show.
//!
//! A process that ends takes its metrics away; those of one that dies end by themselves.

use std::time::Duration;

use ortolan_results::Cache;
use ortolan_service::telemetry::MetricsHandle;

use crate::Ports;

/// How long metrics stay without news of their process.
pub const KEPT: Duration = Duration::from_secs(20);
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
    pub fn new(ports: &Ports, metrics: &MetricsHandle) -> Self {
        Self { board: ports.board.clone(), metrics: metrics.clone() }
    }

    /// Leaves what is known now.
    pub async fn publish(&self, process: &str) {
        let text = self.metrics.render();
        if text.len() <= MOST_BYTES {
            self.board.set(&key(process), text.into(), KEPT).await;
        }
    }

    /// Takes it away.
    pub async fn withdraw(&self, process: &str) {
        self.board.delete(&key(process)).await;
    }
}

/// What a process left, if it did so lately.
pub async fn published(board: &Cache, process: &str) -> Option<String> {
    String::from_utf8(board.get(&key(process)).await?.into()).ok()
}

fn key(process: &str) -> String {
    format!("metrics:{process}")
}
