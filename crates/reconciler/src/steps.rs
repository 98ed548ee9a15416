//! The single repairs, each batched, guarded and counted.

use ortolan_domain::TaskStatus;
use ortolan_domain::route::QueueName;
use ortolan_service::telemetry::metrics;

use crate::passes::Reconciler;
use crate::report::ReconcileReport;

/// Rows per statement.
const BATCH: u32 = 500;

impl Reconciler {
    /// Takes back leases that ran out.
    pub(crate) async fn lose_leases(&self, report: &mut ReconcileReport) {
        let (tasks, now) = (&self.0.tasks, self.0.clock.now());
        loop {
            match tasks.lose_leases(now, self.0.settings.max_crashes, BATCH).await {
                Ok(lost) => {
                    for lease in &lost {
                        tracing::warn!(task_id = %lease.attempt.task_id, attempt = lease.attempt.attempt, became = %lease.became, "lease ran out");
                    }
                    report.running_synced += repaired("lease_lost", lost.len() as u64);
                    if lost.len() < BATCH as usize {
                        return;
                    }
                }
                Err(error) => return failed(report, "leases", &error),
            }
        }
    }

    /// Fails what was not started in time.
    pub(crate) async fn expire(&self, report: &mut ReconcileReport) {
        match self.0.tasks.expire(self.0.clock.now(), BATCH).await {
            Ok(expired) => report.expired += repaired("expired", expired.len() as u64),
            Err(error) => failed(report, "expiry", &error),
        }
    }

    /// Takes back rows whose delivery never arrived. A queue that still holds as much as is queued is only slow.
    pub(crate) async fn take_back_undelivered(&self, report: &mut ReconcileReport) {
        let now = self.0.clock.now();
        let before = now.minus(self.0.settings.undelivered_after);
        match self.0.tasks.take_back_undelivered(before, now, BATCH).await {
            Ok(attempts) => report.pending_reenqueued += repaired("undelivered", attempts.len() as u64),
            Err(error) => failed(report, "undelivered", &error),
        }
    }

    /// Dispatches what waits.
    pub(crate) async fn dispatch(&self, report: &mut ReconcileReport) {
        for queue in QueueName::TASKS {
            match self.0.dispatcher.dispatch_once(queue).await {
                Ok(count) => report.pending_reenqueued += repaired("dispatched", count as u64),
                Err(error) => failed(report, queue.as_str(), &error),
            }
        }
    }

    /// Counts what stands where, for the report and for metrics.
    pub(crate) async fn count(&self, report: &mut ReconcileReport) {
        let depths = match self.0.tasks.depths().await {
            Ok(depths) => depths,
            Err(error) => return failed(report, "depths", &error),
        };
        for depth in depths {
            match depth.status {
                TaskStatus::Pending => report.pending_checked += depth.count,
                TaskStatus::Running => report.running_checked += depth.count,
                _ => {}
            }
            if depth.status == TaskStatus::Queued {
                metrics::queue_depth(depth.queue, depth.count);
            }
        }
    }

    /// Reports runs that take long; never kills them.
    pub(crate) async fn report_long_running(&self, report: &mut ReconcileReport) {
        let before = self.0.clock.now().minus(self.0.settings.long_running_after);
        match self.0.tasks.long_running(before, BATCH).await {
            Ok(tasks) => {
                for task in &tasks {
                    tracing::warn!(task_id = %task.spec.id, started_at = ?task.started_at, worker_id = task.worker_id, "task has been running for long");
                }
                report.long_running_alerted += repaired("long_running", tasks.len() as u64);
            }
            Err(error) => failed(report, "long running", &error),
        }
    }

    /// Deletes ended rows whose time is up.
    pub(crate) async fn delete_ended(&self, report: &mut ReconcileReport) {
        let before = self.0.clock.now().minus(self.0.settings.retention);
        loop {
            match self.0.tasks.delete_ended(before, BATCH).await {
                Ok(count) => {
                    report.ended_deleted += repaired("retention", count);
                    if count < u64::from(BATCH) {
                        return;
                    }
                }
                Err(error) => return failed(report, "retention", &error),
            }
        }
    }

    /// Deletes records of predictions whose time is up.
    pub(crate) async fn delete_predictions(&self, report: &mut ReconcileReport) {
        let before = self.0.clock.now().minus(self.0.settings.retention);
        loop {
            match self.0.predictions.delete_predictions(before, BATCH).await {
                Ok(count) => {
                    report.predictions_deleted += repaired("prediction", count);
                    if count < u64::from(BATCH) {
                        return;
                    }
                }
                Err(error) => return failed(report, "predictions", &error),
            }
        }
    }

    /// Forgets idempotency keys that expired.
    pub(crate) async fn forget_idempotency_keys(&self, report: &mut ReconcileReport) {
        match self.0.tasks.forget_idempotency_keys(self.0.clock.now(), BATCH).await {
            Ok(count) => report.idempotency_keys_forgotten += repaired("idempotency_key", count),
            Err(error) => failed(report, "idempotency keys", &error),
        }
    }

    /// Removes what the broker keeps of ended deliveries.
    pub(crate) async fn clean_broker(&self, report: &mut ReconcileReport) {
        let queues = &self.0.queues;
        for cleaned in [queues.gpu.clean().await, queues.cpu.clean().await, queues.ml.clean().await] {
            match cleaned {
                Ok(count) => report.broker_entries_removed += repaired("broker_entry", count),
                Err(error) => failed(report, "broker", &error),
            }
        }
    }
}

fn repaired(kind: &'static str, count: u64) -> u64 {
    metrics::reconcile_repaired(kind, count);
    count
}

/// Notes a failed step; what exactly failed is for the log.
pub(crate) fn failed(report: &mut ReconcileReport, step: &str, error: &(dyn std::error::Error + 'static)) {
    tracing::error!(step, error, "a step of the reconciler failed");
    report.errors.push(format!("{step}: could not be reconciled"));
}
