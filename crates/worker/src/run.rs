//! One run: from a delivery to the task's next status.

use std::time::{Duration, Instant};

use bytes::Bytes;
use ortolan_domain::job::{Attempt, Delivery, MlJob, delivery_id};
use ortolan_domain::task::TaskError;
use ortolan_domain::{ErrorCode, RunId, Task, TaskStatus, Timestamp};
use ortolan_results::Waited;
use ortolan_service::telemetry::metrics;
use ortolan_store::{Claim, Completion, Failure, Fate, Fence, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::leases::Lease;
use crate::outcome::{self, Outcome};
use crate::worker::{STORE_RETRY, Worker};

/// How a run went on after the hand-over.
enum Ended {
    /// With a result.
    Result(Bytes),
    /// Without one.
    Failed(TaskError),
    /// The lease is lost: there is nothing left to do.
    Lost,
}

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
        let span = tracing::info_span!("run", task_id = %task.spec.id, attempt = task.attempt, tenant = %task.spec.tenant, task_type = %task.spec.task_type);
        self.see_through(task).instrument(span).await;
    }

    async fn claim(&self, delivery: Delivery) -> Result<Option<Task>, StoreError> {
        let parts = &self.0.parts;
        let claim = Claim {
            fence: self.fence(delivery),
            run_id: RunId::generate(),
            now: parts.clock.now(),
            lease: parts.settings.lease,
            limit: parts.settings.job_timeout,
        };
        parts.tasks.claim(claim).await
    }

    async fn see_through(&self, task: Task) {
        let began = Instant::now();
        let attempt = Attempt { task_id: task.spec.id, attempt: task.attempt };
        let lease = self.0.leases.hold(attempt);
        tracing::info!("run started");
        metrics::worker_tasks_under_way(self.0.leases.count());
        metrics::task_queued_for(
            task.spec.queue,
            Duration::from_secs_f64(task.queue_time_ms().unwrap_or_default() / 1e3),
        );
        let ended = match self.hand_over(&task, attempt).await {
            Ok(()) => {
                lease.handed_over();
                self.wait(&task, attempt, &lease).await
            }
            Err(error) => Ended::Failed(error),
        };
        let status = match ended {
            Ended::Result(bytes) => self.conclude(&task, attempt, &bytes, &lease.lost).await,
            Ended::Failed(error) => self.fail(&task, attempt, error, &lease.lost).await,
            Ended::Lost => {
                self.0.parts.signals.publish_cancel(attempt);
                tracing::info!("lease lost, run stopped");
                None
            }
        };
        match status {
            Some(status) => metrics::task_ended(task.spec.task_type, status, began.elapsed()),
            None => metrics::task_retried(task.spec.task_type, "moved_on"),
        }
    }

    async fn hand_over(&self, task: &Task, attempt: Attempt) -> Result<(), TaskError> {
        let (Some(run_id), Some(deadline_at)) = (task.run_id, task.deadline_at) else {
            return Err(error(ErrorCode::Internal, "the claimed row has no run"));
        };
        let job = MlJob {
            attempt,
            run_id,
            tenant_id: task.spec.tenant_id,
            tenant: task.spec.tenant.clone(),
            task_type: task.spec.task_type,
            input: task.spec.input.clone(),
            config: task.spec.config.clone(),
            config_hash: task.spec.config_hash.clone(),
            deadline_at,
        };
        let pushed = self.0.parts.queues.ml.push(vec![(delivery_id(attempt), job)]).await;
        pushed.map(drop).map_err(|failure| {
            tracing::warn!(error = &failure as &dyn std::error::Error, "inference could not be handed over");
            error(ErrorCode::Unavailable, "the queue of the ML service does not answer")
        })
    }

    async fn wait(&self, task: &Task, attempt: Attempt, lease: &Lease<'_>) -> Ended {
        let until = task.deadline_at.unwrap_or_else(|| self.0.parts.clock.now());
        let waited = tokio::select! {
            waited = self.0.parts.results.wait(attempt, until) => waited,
            () = lease.lost.cancelled() => return Ended::Lost,
            () = lease.abandoned.cancelled() => {
                self.0.parts.signals.publish_cancel(attempt);
                return Ended::Failed(error(ErrorCode::Unavailable, "the ML service lost the run"));
            }
        };
        match waited {
            Ok(Waited::Found(bytes)) => Ended::Result(bytes),
            Ok(Waited::Expired) => Ended::Failed(error(ErrorCode::ResultExpired, "result expired")),
            Ok(Waited::TimedOut) => {
                self.0.parts.signals.publish_cancel(attempt);
                Ended::Failed(error(ErrorCode::DeadlineExceeded, "the run took longer than it may"))
            }
            Err(failure) => {
                tracing::warn!(error = &failure as &dyn std::error::Error, "the result could not be waited for");
                Ended::Failed(error(ErrorCode::Unavailable, "the store of results does not answer"))
            }
        }
    }

    /// Stores what a result means, then deletes it; gives the status in which the task ended, if it did.
    async fn conclude(
        &self,
        task: &Task,
        attempt: Attempt,
        bytes: &[u8],
        lost: &CancellationToken,
    ) -> Option<TaskStatus> {
        let now = self.0.parts.clock.now();
        let status = match outcome::read(task, bytes, now) {
            Outcome::Artifacts { artifacts, inference_time_ms } => {
                let artifact_count = artifacts.len();
                let completion = Completion { fence: self.fence(attempt), now, artifacts, inference_time_ms };
                let stored = self.persist(lost, || self.0.parts.tasks.complete(completion.clone())).await;
                tracing::info!(artifact_count, stored, "task completed");
                stored.then_some(TaskStatus::Completed)
            }
            Outcome::Failed(error) => self.fail(task, attempt, error, lost).await,
        };
        if let Err(error) = self.0.parts.results.delete(attempt).await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "result could not be deleted; it expires by itself"
            );
        }
        status
    }

    async fn fail(
        &self,
        task: &Task,
        attempt: Attempt,
        error: TaskError,
        lost: &CancellationToken,
    ) -> Option<TaskStatus> {
        let now = self.0.parts.clock.now();
        let (fate, error) = self.fate(task, error, now);
        let is_final = fate == Fate::Final;
        tracing::info!(code = %error.code, detail = error.detail, fate = ?fate, "run failed");
        let failure = Failure { fence: self.fence(attempt), now, error, fate };
        let stored = self.persist(lost, || self.0.parts.tasks.fail(failure.clone())).await;
        (stored && is_final).then_some(TaskStatus::Failed)
    }

    /// Permanent errors are final at once; transient ones when the tries are used up.
    fn fate(&self, task: &Task, error: TaskError, now: Timestamp) -> (Fate, TaskError) {
        let settings = &self.0.parts.settings;
        if !error.code.is_retryable() {
            return (Fate::Final, error);
        }
        let failures = task.failures.saturating_add(1);
        if failures >= settings.max_tries {
            let detail = format!("Max retries exceeded: {}", error.detail);
            return (Fate::Final, TaskError { code: error.code, detail });
        }
        let wait = settings.backoff.after(failures.unsigned_abs(), rand::random());
        (Fate::RetryAt(now.plus(wait)), error)
    }

    /// Writes, and tries again while the database does not answer and the lease lasts.
    async fn persist<F, W>(&self, lost: &CancellationToken, write: F) -> bool
    where
        F: Fn() -> W,
        W: Future<Output = Result<bool, StoreError>>,
    {
        loop {
            match write().await {
                Ok(stored) => return stored,
                Err(error @ StoreError::Unavailable(_)) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the run's end could not be stored yet")
                }
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the run's end could not be stored");
                    return false;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(STORE_RETRY) => {}
                () = lost.cancelled() => return false,
            }
        }
    }

    pub(crate) fn fence(&self, attempt: Attempt) -> Fence {
        Fence { attempt, owner: self.0.parts.id.clone() }
    }
}

fn error(code: ErrorCode, detail: &str) -> TaskError {
    TaskError { code, detail: detail.to_owned() }
}
