//! Looks after what was handed over. An ML service that dies, or a broker that loses its memory, takes jobs along, and no
//! result will ever come of them: their tasks must not wait for it until their deadline.

use std::collections::HashSet;
use std::time::Duration;

use ortolan_domain::job::{Attempt, delivery_id};
use ortolan_service::telemetry::metrics;
use tokio::time::MissedTickBehavior;

use crate::worker::Worker;

/// Time between two looks. An attempt must be missed in two of them, as one falls between its delivery and its lock.
const PERIOD: Duration = Duration::from_secs(2);

/// What the last look has seen.
#[derive(Default)]
struct Seen {
    waiting: HashSet<Attempt>,
    missing: HashSet<Attempt>,
}

impl Worker {
    /// Looks until it is aborted, and tells runs whose attempts nobody has any more.
    pub(crate) async fn look_after_handed_over(self) {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = Seen::default();
        loop {
            ticks.tick().await;
            seen = self.look(&seen).await;
        }
    }

    async fn look(&self, before: &Seen) -> Seen {
        let waiting: HashSet<_> = self.0.leases.handed_over().into_iter().collect();
        // Most runs are over sooner than they are asked about.
        let asked: Vec<_> = waiting.intersection(&before.waiting).copied().collect();
        let missing = self.missing(&asked).await;
        for &attempt in missing.intersection(&before.missing) {
            tracing::warn!(task_id = %attempt.task_id, attempt = attempt.attempt, "the ML service does not have this run any more");
            metrics::run_abandoned();
            self.0.leases.abandon(attempt);
        }
        Seen { waiting, missing }
    }

    /// Those that no ML service holds, that have no result, and that are not waiting to be delivered. None while the
    /// broker does not answer: nothing is known then.
    async fn missing(&self, asked: &[Attempt]) -> HashSet<Attempt> {
        if asked.is_empty() {
            return HashSet::new();
        }
        let Ok(abandoned) = self.0.parts.results.abandoned(asked).await else { return HashSet::new() };
        let ids: Vec<_> = abandoned.iter().copied().map(delivery_id).collect();
        let Ok(missing) = self.0.parts.queues.ml.missing(&ids).await else { return HashSet::new() };
        let missing: HashSet<_> = missing.into_iter().collect();
        abandoned.into_iter().filter(|&attempt| missing.contains(&delivery_id(attempt))).collect()
    }
}
