//! The single repairs, each batched, guarded and counted.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use ortolan_domain::TaskStatus;
use ortolan_domain::job::{Attempt, delivery_id};
use ortolan_domain::route::QueueName;
use ortolan_queue::QueueError;
use ortolan_service::telemetry::metrics;
use ortolan_store::StoreError;

use crate::passes::Reconciler;
use crate::report::ReconcileReport;

/// Rows per statement.
const BATCH: u32 = 500;
/// More deliveries of a queue, or results, than there ever are.
const MOST_WAITING: u32 = 100_000;
/// A process that was not heard of for so long is gone.
const SILENT_AFTER: Duration = Duration::from_secs(600);

impl Reconciler {
    /// Takes back leases that ran out. An ML service that still works for one of them is told to stop: its answer would belong to a run that
    /// is over, and the next run may want the same device.
    pub(crate) async fn lose_leases(&self, report: &mut ReconcileReport) {
        let (tasks, now) = (&self.0.tasks, self.0.clock.now());
        loop {
            match tasks.lose_leases(now, self.0.settings.max_crashes, BATCH).await {
                Ok(lost) => {
                    for lease in &lost {
                        tracing::warn!(task_id = %lease.attempt.task_id, attempt = lease.attempt.attempt, tenant_id = %lease.tenant, became = %lease.status, "lease ran out");
                        self.0.signals.publish_cancel(lease.attempt);
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
            Ok(expired) => {
                for task in &expired {
                    tracing::info!(task_id = %task.attempt.task_id, tenant_id = %task.tenant, "a task was not started in time");
                }
                report.expired += repaired("expired", expired.len() as u64);
            }
            Err(error) => failed(report, "expiry", &error),
        }
    }

    /// Takes back rows whose delivery the broker does not have: it lost it, or gave it to a worker that then died. One that waits there is left
    /// alone however long nobody takes it: another one would not be taken either, and the broker would fill up with them.
    pub(crate) async fn take_back_lost(&self, report: &mut ReconcileReport) {
        let before = self.0.clock.now().minus(self.0.settings.lost_after);
        for queue in QueueName::TASKS {
            let queued = match self.0.tasks.queued_before(queue, before, MOST_WAITING).await {
                Ok(queued) => queued,
                Err(error) => return failed(report, "deliveries", &error),
            };
            let queued: HashMap<_, _> = queued.into_iter().map(|attempt| (delivery_id(attempt), attempt)).collect();
            match self.lost(queue, &queued).await {
                Ok(lost) => self.take_back(&lost, report).await,
                Err(error) => failed(report, "deliveries", &error),
            }
        }
    }

    async fn lost(&self, queue: QueueName, queued: &HashMap<String, Attempt>) -> Result<Vec<Attempt>, QueueError> {
        let ids: Vec<_> = queued.keys().cloned().collect();
        let missing = self.0.queues.tasks(queue).missing(&ids).await?;
        Ok(missing.iter().filter_map(|id| queued.get(id).copied()).collect())
    }

    async fn take_back(&self, lost: &[Attempt], report: &mut ReconcileReport) {
        if lost.is_empty() {
            return;
        }
        match self.0.tasks.take_back_lost(lost).await {
            Ok(taken_back) => {
                for task in &taken_back {
                    tracing::warn!(task_id = %task.attempt.task_id, attempt = task.attempt.attempt, tenant_id = %task.tenant, queue = %task.queue, "a delivery was lost");
                }
                repaired("delivery_lost", taken_back.len() as u64);
            }
            Err(error) => failed(report, "deliveries", &error),
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
                TaskStatus::Pending | TaskStatus::Queued => report.pending_checked += depth.count,
                TaskStatus::Running => report.running_checked += depth.count,
                _ => {}
            }
        }
    }

    /// Reports runs that take long; never kills them.
    pub(crate) async fn report_long_running(&self, report: &mut ReconcileReport) {
        let before = self.0.clock.now().minus(self.0.settings.long_running_after);
        match self.0.tasks.long_running(before, BATCH).await {
            Ok(tasks) => {
                for task in &tasks {
                    tracing::warn!(task_id = %task.spec.id, tenant_id = %task.spec.tenant, started_at = ?task.started_at, worker_id = task.worker_id, "task has been running for long");
                }
                report.long_running_alerted += repaired("long_running", tasks.len() as u64);
            }
            Err(error) => failed(report, "long running", &error),
        }
    }

    /// Looks at rows that have not ended, and at those that ended since the pass before, for what must never be. It is told of and counted,
    /// and left as it is: what is broken is for people to look at.
    pub(crate) async fn report_violations(&self, report: &mut ReconcileReport) {
        let since = self.0.clock.now().minus(self.0.settings.interval * 2);
        match self.0.tasks.violations(Some(since), BATCH).await {
            Ok(violations) => {
                for violation in &violations {
                    tracing::error!(subject = violation.subject, what = violation.what, "an invariant does not hold");
                }
                report.violations = violations.len() as u64;
                metrics::invariant_violations(report.violations);
            }
            Err(error) => failed(report, "invariants", &error),
        }
    }

    /// Deletes ended rows whose time is up.
    pub(crate) async fn delete_ended(&self, report: &mut ReconcileReport) {
        let (tasks, before) = (&self.0.tasks, self.0.clock.now().minus(self.0.settings.retention));
        match until_few("retention", || tasks.delete_ended(before, BATCH)).await {
            Ok(count) => report.ended_deleted += count,
            Err(error) => failed(report, "retention", &error),
        }
    }

    /// Deletes records of predictions whose time is up.
    pub(crate) async fn delete_predictions(&self, report: &mut ReconcileReport) {
        let (predictions, before) = (&self.0.predictions, self.0.clock.now().minus(self.0.settings.retention));
        match until_few("prediction", || predictions.delete_predictions(before, BATCH)).await {
            Ok(count) => report.predictions_deleted += count,
            Err(error) => failed(report, "predictions", &error),
        }
    }

    /// Forgets idempotency keys that expired.
    pub(crate) async fn forget_idempotency_keys(&self, report: &mut ReconcileReport) {
        let (tasks, now) = (&self.0.tasks, self.0.clock.now());
        match until_few("idempotency_key", || tasks.forget_idempotency_keys(now, BATCH)).await {
            Ok(count) => report.idempotency_keys_forgotten += count,
            Err(error) => failed(report, "idempotency keys", &error),
        }
    }

    /// Forgets crashes whose time is up: what still crashes is found out again.
    pub(crate) async fn forget_crashes(&self, report: &mut ReconcileReport) {
        let (quarantine, before) = (&self.0.quarantine, self.0.clock.now().minus(self.0.settings.retention));
        match until_few("crash", || quarantine.forget_crashes(before, BATCH)).await {
            Ok(count) => report.crashes_forgotten += count,
            Err(error) => failed(report, "crashes", &error),
        }
    }

    /// Removes results that no run waits for: their worker died, or their task was cancelled.
    pub(crate) async fn drop_orphaned_results(&self, report: &mut ReconcileReport) {
        let results = &self.0.results;
        let waiting = match results.waiting(MOST_WAITING as usize).await {
            Ok(waiting) => waiting,
            Err(error) => return failed(report, "results", &error),
        };
        let running = match self.0.tasks.running_among(&waiting).await {
            Ok(running) => HashSet::<_>::from_iter(running),
            Err(error) => return failed(report, "results", &error),
        };
        for &orphan in waiting.iter().filter(|attempt| !running.contains(attempt)) {
            if let Err(error) = results.delete(orphan).await {
                return failed(report, "results", &error);
            }
            tracing::info!(task_id = %orphan.task_id, attempt = orphan.attempt, "a result that no run waits for was removed");
            report.results_removed += repaired("orphaned_result", 1);
        }
    }

    /// Strikes processes off the register that have not been heard of for long.
    pub(crate) async fn strike_silent_processes(&self, report: &mut ReconcileReport) {
        let before = self.0.clock.now().minus(SILENT_AFTER);
        match self.0.processes.strike_silent_processes(before, BATCH).await {
            Ok(count) => drop(repaired("silent_process", count)),
            Err(error) => failed(report, "processes", &error),
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

/// Repeats a step that takes at most a batch until it finds less than that; gives how many it took in all.
async fn until_few<Step>(kind: &'static str, step: impl Fn() -> Step) -> Result<u64, StoreError>
where
    Step: Future<Output = Result<u64, StoreError>>,
{
    let mut all = 0;
    loop {
        let count = repaired(kind, step().await?);
        all += count;
        if count < u64::from(BATCH) {
            return Ok(all);
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
