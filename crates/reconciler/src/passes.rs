//! When the reconciler looks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ortolan_dispatch::Dispatcher;
use ortolan_domain::Clock;
use ortolan_queue::Queues;
use ortolan_service::telemetry::metrics;
use ortolan_store::{PredictionStore, TaskStore};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::orphans::OrphanSweep;
use crate::report::ReconcileReport;

/// What an operator can set.
#[derive(Debug, Clone)]
pub struct ReconcilerSettings {
    /// Time between two whole passes.
    pub interval: Duration,
    /// Time between two quick passes over leases and deliveries.
    pub quick_interval: Duration,
    /// A row that is queued for longer counts as undelivered.
    pub undelivered_after: Duration,
    /// A run that takes longer is reported.
    pub long_running_after: Duration,
    /// Ended rows are kept for so long.
    pub retention: Duration,
    /// A task whose lease was lost so often is poison.
    pub max_crashes: i32,
}

/// What a reconciler is made of.
pub struct ReconcilerParts {
    /// The truth.
    pub tasks: Arc<dyn TaskStore>,
    /// Records of predictions.
    pub predictions: Arc<dyn PredictionStore>,
    /// The queues.
    pub queues: Queues,
    /// Moves pending rows into the queues.
    pub dispatcher: Arc<Dispatcher>,
    /// Looks for objects that belong to nothing, where there is an object store.
    pub orphans: Option<OrphanSweep>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What an operator has set.
    pub settings: ReconcilerSettings,
}

/// The reconciler. Clones share it.
#[derive(Clone)]
pub struct Reconciler(pub(crate) Arc<ReconcilerParts>);

impl Reconciler {
    /// Puts a reconciler together.
    pub fn new(parts: ReconcilerParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Makes passes until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let (mut quick, mut whole) = (ticks(self.0.settings.quick_interval), ticks(self.0.settings.interval));
        tracing::info!(interval = ?self.0.settings.interval, "reconciler started");
        loop {
            let report = tokio::select! {
                () = stop.cancelled() => return,
                _ = whole.tick() => self.run_once().await,
                _ = quick.tick() => self.run_quick().await,
            };
            if !report.is_quiet() {
                tracing::info!(?report, "reconciled");
            }
        }
    }

    /// A whole pass.
    pub async fn run_once(&self) -> ReconcileReport {
        let began = Instant::now();
        let mut report = self.run_quick().await;
        self.count(&mut report).await;
        self.report_long_running(&mut report).await;
        self.delete_ended(&mut report).await;
        self.delete_predictions(&mut report).await;
        self.forget_idempotency_keys(&mut report).await;
        self.clean_broker(&mut report).await;
        self.sweep_orphans(&mut report).await;
        metrics::reconciled(report.errors.is_empty(), began.elapsed());
        metrics::long_running_tasks(report.long_running_alerted);
        report
    }

    /// A pass over what users wait for: leases, expiry, deliveries.
    pub async fn run_quick(&self) -> ReconcileReport {
        let mut report = ReconcileReport::default();
        self.lose_leases(&mut report).await;
        self.expire(&mut report).await;
        self.take_back_undelivered(&mut report).await;
        self.dispatch(&mut report).await;
        report
    }
}

fn ticks(period: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
