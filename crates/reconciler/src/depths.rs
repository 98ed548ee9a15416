//! How much stands in the queues and for how long, told to metrics by the reconciler that leads.

use std::time::{Duration, Instant};

use ortolan_domain::TaskStatus;
use ortolan_domain::route::QueueName;
use ortolan_service::telemetry::metrics;

use crate::passes::Reconciler;

/// The statuses of tasks that have not ended.
const OPEN: [TaskStatus; 3] = [TaskStatus::Pending, TaskStatus::Queued, TaskStatus::Running];
/// Counting reads every open row, so it is not done with every quick pass.
const PERIOD: Duration = Duration::from_secs(10);

/// When the queues were last counted, if this reconciler tells of them.
#[derive(Default)]
pub(crate) struct Depths(Option<Instant>);

impl Depths {
    /// Counts the rows of each queue and the messages of `ml_jobs`, unless that was done a moment ago. What cannot be
    /// counted keeps its last value.
    pub(crate) async fn tell(&mut self, reconciler: &Reconciler) {
        if self.0.is_some_and(|at| at.elapsed() < PERIOD) {
            return;
        }
        self.0 = Some(Instant::now());
        tell_rows(reconciler).await;
        tell_messages(reconciler).await;
    }

    /// Tells of empty queues from now on: another reconciler tells of what is in them.
    pub(crate) fn forget(&mut self) {
        if self.0.take().is_none() {
            return;
        }
        every_place().for_each(|(queue, status)| metrics::queue_depth(queue, status, 0, Duration::ZERO));
        metrics::queue_messages(QueueName::MlJobs, 0, Duration::ZERO);
    }
}

/// `ml_jobs` has no rows: what stands in it is asked of the broker.
async fn tell_messages(reconciler: &Reconciler) {
    let queue = &reconciler.0.queues.ml;
    let Ok((messages, next)) = tokio::try_join!(queue.depth(), queue.peek()) else { return };
    let since = next.and_then(|job| job.handed_over_at);
    let age = since.map(|at| reconciler.0.clock.now().since(at));
    metrics::queue_messages(QueueName::MlJobs, messages, age.unwrap_or_default());
}

async fn tell_rows(reconciler: &Reconciler) {
    let depths = match reconciler.0.tasks.depths().await {
        Ok(depths) => depths,
        Err(error) => {
            return tracing::debug!(error = &error as &dyn std::error::Error, "the queues could not be counted");
        }
    };
    let now = reconciler.0.clock.now();
    for (queue, status) in every_place() {
        let depth = depths.iter().find(|depth| (depth.queue, depth.status) == (queue, status));
        let age = depth.and_then(|depth| depth.oldest_at).map(|at| now.since(at));
        metrics::queue_depth(queue, status, depth.map_or(0, |depth| depth.count), age.unwrap_or_default());
    }
}

fn every_place() -> impl Iterator<Item = (QueueName, TaskStatus)> {
    QueueName::TASKS.into_iter().flat_map(|queue| OPEN.map(|status| (queue, status)))
}
