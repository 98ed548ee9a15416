//! The single steps of a run, each of them one look or one guarded write. [`Worker::run`] takes them one after the other; in
//! public so that a simulator can stop, lose or repeat a worker between any two of them.

use std::time::Duration;

use bytes::Bytes;
use ortolan_domain::job::{Attempt, CrashSuspect, Delivery, MlJob, delivery_id};
use ortolan_domain::task::TaskError;
use ortolan_domain::{ErrorCode, RunId, Task, TaskStatus, TaskType, Timestamp};
use ortolan_results::{Expected, ResultsError, Waited};
use ortolan_store::{Claim, Completion, Failure, Fate, Fence, StoreError};
use tokio_util::sync::CancellationToken;

use crate::outcome::{self, Outcome};
use crate::worker::Worker;

/// How the wait after the hand-over ended.
#[derive(Debug)]
pub enum Awaited {
    /// With a result.
    Result(Bytes),
    /// Without one.
    Failed(TaskError),
    /// The lease is lost: there is nothing left to do.
    Lost,
}

/// How a run ends: what is to be written about its task.
#[derive(Debug, Clone)]
pub enum Ending {
    /// With these artifacts.
    Completed(Completion),
    /// With an error, for good or until the next try.
    Failed(Failure),
    /// The same, and this is what crashed the process.
    Crashed(Failure, Box<CrashSuspect>),
}

impl Ending {
    /// The status in which the task ends, if it does.
    pub fn status(&self) -> Option<TaskStatus> {
        match self {
            Self::Completed(_) => Some(TaskStatus::Completed),
            Self::Failed(failure) | Self::Crashed(failure, _) => {
                (failure.fate == Fate::Final).then_some(TaskStatus::Failed)
            }
        }
    }
}

impl Worker {
    /// Claims a delivery; `None` when it is stale.
    pub async fn claim(&self, delivery: Delivery) -> Result<Option<Task>, StoreError> {
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

    /// Hands a claimed task's inference to the ML service.
    pub async fn hand_over(&self, task: &Task) -> Result<(), TaskError> {
        let (Some(run_id), Some(deadline_at)) = (task.run_id, task.deadline_at) else {
            return Err(error(ErrorCode::Internal, "the claimed row has no run"));
        };
        let attempt = attempt_of(task);
        let job = MlJob {
            attempt,
            run_id,
            tenant_id: task.spec.tenant_id,
            tenant: task.spec.tenant.clone(),
            task_type: task.spec.task_type,
            input: task.spec.input.clone(),
            config: task.spec.config.clone(),
            config_hash: task.spec.config_hash.clone(),
            deadline_at: deadline_at.min(self.limit(task, self.0.parts.settings.soft_limit)),
            handed_over_at: Some(self.0.parts.clock.now()),
            origin: task.spec.origin.clone(),
        };
        let pushed = self.0.parts.queues.ml.push_one(delivery_id(attempt), job).await;
        pushed.map_err(|failure| {
            tracing::warn!(error = &failure as &dyn std::error::Error, "inference could not be handed over");
            error(ErrorCode::Unavailable, "the queue of the ML service does not answer")
        })
    }

    /// When a run must have ended by a limit for jobs; other tasks know their deadline only.
    fn limit(&self, task: &Task, limit: Duration) -> Timestamp {
        match task.spec.task_type {
            TaskType::Inference => task.started_at.unwrap_or_else(|| self.0.parts.clock.now()).plus(limit),
            _ => Timestamp::from_micros(i64::MAX),
        }
    }

    /// Waits for a run's result until its deadline, or until `lost` says that its lease is lost.
    pub async fn wait(&self, task: &Task, lost: &CancellationToken) -> Awaited {
        let waiting = self.0.parts.results.wait(attempt_of(task), self.patience(task));
        self.awaited(task, waiting, lost).await
    }

    /// The same for a result that was expected before its run was handed over.
    pub(crate) async fn wait_for(&self, task: &Task, expected: Expected, lost: &CancellationToken) -> Awaited {
        let waiting = self.0.parts.results.wait_for(expected, self.patience(task));
        self.awaited(task, waiting, lost).await
    }

    /// When nobody waits for a run's result any more.
    fn patience(&self, task: &Task) -> Timestamp {
        let deadline = task.deadline_at.unwrap_or_else(|| self.0.parts.clock.now());
        deadline.min(self.limit(task, self.0.parts.settings.hard_limit))
    }

    async fn awaited(
        &self,
        task: &Task,
        waiting: impl Future<Output = Result<Waited, ResultsError>>,
        lost: &CancellationToken,
    ) -> Awaited {
        let waited = tokio::select! {
            waited = waiting => waited,
            () = lost.cancelled() => return Awaited::Lost,
        };
        match waited {
            Ok(Waited::Found(bytes)) => Awaited::Result(bytes),
            Ok(Waited::Expired) => Awaited::Failed(error(ErrorCode::ResultExpired, "result expired")),
            Ok(Waited::TimedOut) => {
                self.0.parts.signals.publish_cancel(attempt_of(task));
                Awaited::Failed(error(ErrorCode::DeadlineExceeded, "the run took longer than it may"))
            }
            Err(failure) => {
                tracing::warn!(error = &failure as &dyn std::error::Error, "the result could not be waited for");
                Awaited::Failed(error(ErrorCode::Unavailable, "the store of results does not answer"))
            }
        }
    }

    /// What a result's bytes mean for its task.
    pub fn conclude(&self, task: &Task, bytes: &[u8]) -> Ending {
        let now = self.0.parts.clock.now();
        match outcome::read(task, bytes, now) {
            Outcome::Artifacts { artifacts, inference_time_ms } => {
                let fence = self.fence(attempt_of(task));
                Ending::Completed(Completion { fence, now, artifacts, inference_time_ms })
            }
            Outcome::Failed(error) => self.give_up(task, error),
            Outcome::GivenBack(error) => {
                let fence = self.fence(attempt_of(task));
                Ending::Failed(Failure { fence, now, error, fate: Fate::SnoozeUntil(now) })
            }
            Outcome::Crashed(error, suspect) => Ending::Crashed(self.failure(task, error), suspect),
        }
    }

    /// What an error means for its task: permanent ones are final at once, transient ones when the tries are used up.
    pub fn give_up(&self, task: &Task, error: TaskError) -> Ending {
        Ending::Failed(self.failure(task, error))
    }

    fn failure(&self, task: &Task, error: TaskError) -> Failure {
        let now = self.0.parts.clock.now();
        let (fate, error) = self.fate(task, error, now);
        Failure { fence: self.fence(attempt_of(task)), now, error, fate }
    }

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

    /// Writes how a run ended; false when its lease is lost, and then nothing is written.
    pub async fn write(&self, ending: &Ending) -> Result<bool, StoreError> {
        match ending {
            Ending::Completed(completion) => self.0.parts.tasks.complete(completion.clone()).await,
            Ending::Failed(failure) | Ending::Crashed(failure, _) => self.0.parts.tasks.fail(failure.clone()).await,
        }
    }

    /// Deletes a result that was used; one that cannot be deleted expires by itself.
    pub async fn forget_result(&self, attempt: Attempt) {
        if let Err(error) = self.0.parts.results.delete(attempt).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "result could not be deleted");
        }
    }

    /// Extends leases once; gives those that are lost.
    pub async fn extend(&self, held: &[Attempt]) -> Result<Vec<Attempt>, StoreError> {
        self.extend_with_news(&held.iter().map(|attempt| (*attempt, None)).collect::<Vec<_>>()).await
    }

    /// As before, and stores which share of a run is done where that is news.
    pub(crate) async fn extend_with_news(&self, held: &[(Attempt, Option<f64>)]) -> Result<Vec<Attempt>, StoreError> {
        let parts = &self.0.parts;
        parts.tasks.heartbeat(&parts.id, held, parts.clock.now().plus(parts.settings.lease)).await
    }

    pub(crate) fn fence(&self, attempt: Attempt) -> Fence {
        Fence { attempt, owner: self.0.parts.id.clone() }
    }
}

/// The attempt that a claimed task is in.
pub(crate) fn attempt_of(task: &Task) -> Attempt {
    Attempt { task_id: task.spec.id, attempt: task.attempt }
}

fn error(code: ErrorCode, detail: &str) -> TaskError {
    TaskError { code, detail: detail.to_owned() }
}
