//! When the reconciler looks.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ortolan_dispatch::Dispatcher;
use ortolan_domain::Clock;
use ortolan_queue::Queues;
use ortolan_results::{ResultStore, Signals};
use ortolan_service::telemetry::metrics;
use ortolan_store::{PredictionStore, ProcessStore, QuarantineStore, TaskStore};
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::depths::Depths;
use crate::leadership::Leadership;
use crate::orphans::OrphanSweep;
use crate::report::ReconcileReport;

/// What an operator can set.
#[derive(Debug, Clone)]
pub struct ReconcilerSettings {
    /// Time between two whole passes.
    pub interval: Duration,
    /// Time between two quick passes over leases and deliveries.
    pub quick_interval: Duration,
    /// A row that is queued for longer counts as undelivered when the broker does not have its delivery any more.
    pub lost_after: Duration,
    /// A run that takes longer is reported.
    pub long_running_after: Duration,
    /// Ended rows are kept for so long.
    pub retention: Duration,
    /// A task whose lease was lost so often is poison.
    pub max_crashes: i32,
}

/// What a reconciler is made of.
pub struct ReconcilerParts {
    /// A name that no other incarnation of any reconciler has.
    pub id: String,
    /// The truth.
    pub tasks: Arc<dyn TaskStore>,
    /// Who leads, and who lives.
    pub processes: Arc<dyn ProcessStore>,
    /// Records of predictions.
    pub predictions: Arc<dyn PredictionStore>,
    /// Pairs of model and input that crashed.
    pub quarantine: Arc<dyn QuarantineStore>,
    /// The queues.
    pub queues: Queues,
    /// Results that wait to be fetched.
    pub results: ResultStore,
    /// Tells ML services which runs nobody waits for any more.
    pub signals: Signals,
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
pub struct Reconciler(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    parts: ReconcilerParts,
    wanted: Notify,
}

impl Deref for Inner {
    type Target = ReconcilerParts;

    fn deref(&self) -> &ReconcilerParts {
        &self.parts
    }
}

impl Reconciler {
    /// Puts a reconciler together.
    pub fn new(parts: ReconcilerParts) -> Self {
        Self(Arc::new(Inner { parts, wanted: Notify::new() }))
    }

    /// A name that no other incarnation of any reconciler has.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Makes passes until `stop`, while no other reconciler leads.
    pub async fn run(&self, stop: CancellationToken) {
        let settings = &self.0.settings;
        let (mut quick, mut whole) = (ticks(settings.quick_interval), ticks(settings.interval));
        let mut depths = Depths::default();
        let mut leadership = Leadership::new(&self.0.parts);
        tracing::info!(interval = ?settings.interval, "reconciler started");
        loop {
            let is_whole = tokio::select! {
                () = stop.cancelled() => break,
                () = self.0.wanted.notified() => true,
                _ = whole.tick() => true,
                _ = quick.tick() => false,
            };
            if !leadership.is_held().await {
                depths.forget();
                continue;
            }
            depths.tell(self).await;
            let report = if is_whole { self.run_once().await } else { self.run_quick().await };
            if !report.is_quiet() {
                tracing::info!(?report, "reconciled");
            }
        }
        leadership.resign().await;
    }

    /// Asks [`Reconciler::run`] for a whole pass soon. Returns at once.
    pub fn nudge(&self) {
        self.0.wanted.notify_one();
    }

    /// A whole pass.
    pub async fn run_once(&self) -> ReconcileReport {
        let began = Instant::now();
        let mut report = ReconcileReport::default();
        // As the pass finds them, before it changes any.
        self.count(&mut report).await;
        self.repair(&mut report).await;
        self.report_long_running(&mut report).await;
        self.report_violations(&mut report).await;
        self.delete_ended(&mut report).await;
        self.delete_predictions(&mut report).await;
        self.forget_idempotency_keys(&mut report).await;
        self.forget_crashes(&mut report).await;
        self.drop_orphaned_results(&mut report).await;
        self.clean_broker(&mut report).await;
        self.strike_silent_processes(&mut report).await;
        self.sweep_orphans(&mut report).await;
        metrics::reconciled(report.errors.is_empty(), began.elapsed());
        metrics::long_running_tasks(report.long_running_alerted);
        report
    }

    /// A pass over what users wait for: leases, expiry, deliveries.
    pub async fn run_quick(&self) -> ReconcileReport {
        let mut report = ReconcileReport::default();
        self.repair(&mut report).await;
        report
    }

    async fn repair(&self, report: &mut ReconcileReport) {
        self.lose_leases(report).await;
        self.expire(report).await;
        self.take_back_lost(report).await;
        self.dispatch(report).await;
    }
}

fn ticks(period: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
