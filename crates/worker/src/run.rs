//! One run: from a delivery to the task's next status.

use std::time::{Duration, Instant};

use ortolan_domain::job::{Attempt, Delivery};
use ortolan_domain::task::TaskError;
use ortolan_domain::{ErrorCode, Task, TaskStatus};
use ortolan_results::Expected;
use ortolan_service::telemetry::metrics;
use ortolan_service::telemetry::trace::{Span, SpanKind};
use ortolan_store::StoreError;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::leases::Lease;
use crate::steps::{Awaited, Ending, attempt_of};
use crate::worker::{STORE_RETRY, Worker};

impl Worker {
    /// Claims a delivery and sees it through. Whatever happens, the truth is in the database: a delivery is never retried here.
    pub(crate) async fn handle(&self, delivery: Delivery) {
        let task = match self.claim(delivery).await {
            Ok(Some(task)) => task,
            Ok(None) => return tracing::debug!(%delivery, "stale delivery forgotten"),
            Err(error) => {
                return tracing::warn!(%delivery, error = &error as &dyn std::error::Error, "delivery could not be claimed; it will be delivered again");
            }
        };
        let span = tracing::info_span!("run", task_id = %task.spec.id, attempt = task.attempt, tenant_id = %task.spec.tenant, task_type = %task.spec.task_type, request_id = task.spec.origin.request_id);
        self.see_through(task).instrument(span).await;
    }

    async fn see_through(&self, mut task: Task) {
        let began = Instant::now();
        let work = begin_span(&task);
        task.spec.origin.trace = work.context();
        let attempt = attempt_of(&task);
        let lease = self.0.leases.hold(attempt);
        tracing::info!("run started");
        metrics::worker_tasks_under_way(self.0.leases.count());
        metrics::task_queued_for(
            task.spec.queue,
            Duration::from_secs_f64(task.queue_time_ms().unwrap_or_default() / 1e3),
        );
        let expected = self.0.parts.results.expect(attempt);
        let awaited = match self.hand_over(&task).await {
            Ok(()) => self.wait_while_it_may_come(&task, expected, &lease).await,
            Err(error) => Awaited::Failed(error),
        };
        let status = match awaited {
            Awaited::Result(bytes) => {
                let mut storing = Span::begin("store result", SpanKind::Internal, work.context());
                storing.count("ortolan.result_bytes", i64::try_from(bytes.len()).unwrap_or(i64::MAX));
                let ending = self.note_crash(&task, self.conclude(&task, &bytes)).await;
                let status = self.end(&task, ending, &lease.lost).await;
                drop(storing);
                self.forget_result(attempt).await;
                status
            }
            Awaited::Failed(error) => self.end(&task, self.give_up(&task, error), &lease.lost).await,
            Awaited::Lost => self.drop_lost(attempt),
        };
        end_span(work, status);
        match status {
            Some(status) => metrics::task_ended(task.spec.task_type, status, began.elapsed()),
            None => metrics::task_retried(task.spec.task_type, "moved_on"),
        }
    }

    /// Waits for a run's result unless it turns out that none will come.
    async fn wait_while_it_may_come(&self, task: &Task, expected: Expected, lease: &Lease<'_>) -> Awaited {
        lease.handed_over();
        tokio::select! {
            awaited = self.wait_for(task, expected, &lease.lost) => awaited,
            () = lease.abandoned.cancelled() => {
                self.0.parts.signals.publish_cancel(attempt_of(task));
                let detail = "the ML service lost the run".to_owned();
                Awaited::Failed(TaskError { code: ErrorCode::Unavailable, detail })
            }
        }
    }

    /// Tells the ML service that nobody waits for an attempt any more.
    fn drop_lost(&self, attempt: Attempt) -> Option<TaskStatus> {
        self.0.parts.signals.publish_cancel(attempt);
        tracing::info!("lease lost, run stopped");
        None
    }

    /// Stores how a run ended; gives the status in which the task ended, if it did. Artifacts that the database refuses
    /// fail their task: another try would be refused, too.
    async fn end(&self, task: &Task, ending: Ending, lost: &CancellationToken) -> Option<TaskStatus> {
        log(&ending);
        let stored = match self.persist(&ending, lost).await {
            Ok(stored) => stored,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the run's end could not be stored");
                let detail = "the result could not be stored".to_owned();
                let refused = self.give_up(task, TaskError { code: ErrorCode::InvalidResult, detail });
                return match ending {
                    Ending::Completed(_) => self.persist(&refused, lost).await.is_ok_and(|stored| stored),
                    Ending::Failed(_) | Ending::Crashed(..) => false,
                }
                .then_some(TaskStatus::Failed);
            }
        };
        if let Ending::Completed(completion) = &ending {
            let duration_ms = task.started_at.map(|at| self.0.parts.clock.now().ms_since(at));
            tracing::info!(artifact_count = completion.artifacts.len(), stored, duration_ms, "task completed");
        }
        ending.status().filter(|_| stored)
    }

    /// Writes, and tries again while the database does not answer and the lease lasts; false when the lease is lost.
    async fn persist(&self, ending: &Ending, lost: &CancellationToken) -> Result<bool, StoreError> {
        loop {
            match self.write(ending).await {
                Err(error @ StoreError::Unavailable(_)) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the run's end could not be stored yet")
                }
                written => return written,
            }
            tokio::select! {
                () = tokio::time::sleep(STORE_RETRY) => {}
                () = lost.cancelled() => return Ok(false),
            }
        }
    }
}

/// The span of a run, and before it that of the task's wait for a worker.
fn begin_span(task: &Task) -> Span {
    let (origin, waiting_since) = (task.spec.origin.trace, task.spec.created_at.max(task.run_at));
    let began = task.started_at.unwrap_or(waiting_since);
    Span::since(format!("wait in {}", task.spec.queue), SpanKind::Producer, origin, waiting_since).end_at(began);
    let mut work = Span::since(format!("run {}", task.spec.task_type), SpanKind::Consumer, origin, began);
    work.text("ortolan.task_id", task.spec.id.to_string());
    work.count("ortolan.attempt", task.attempt);
    work
}

fn end_span(mut work: Span, status: Option<TaskStatus>) {
    match status {
        Some(status) => work.text("ortolan.status", status.as_str()),
        None => work.text("ortolan.status", "moved_on"),
    }
    if status == Some(TaskStatus::Failed) {
        work.fail("failed");
    }
}

fn log(ending: &Ending) {
    if let Ending::Failed(failure) | Ending::Crashed(failure, _) = ending {
        tracing::info!(code = %failure.error.code, detail = failure.error.detail, fate = ?failure.fate, "run failed");
    }
}
