//! The port of tasks and artifacts: what it promises, whichever database is behind it.

use std::time::Duration;

use async_trait::async_trait;
use ortolan_domain::artifact::Artifact;
use ortolan_domain::invariant::Violation;
use ortolan_domain::job::Attempt;
use ortolan_domain::route::QueueName;
use ortolan_domain::task::{NewTask, TaskError};
use ortolan_domain::{RunId, Task, TaskId, TaskStatus, TaskType, TenantId, TenantSlug, Timestamp, VideoId};

use crate::{NewCallback, Page, StoreError};

/// A client's promise that the same key means the same request.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The `Idempotency-Key` header.
    pub key: String,
    /// SHA-256 of the request.
    pub request_hash: String,
    /// Until when the key is remembered.
    pub expires_at: Timestamp,
}

/// What became of a submission.
#[derive(Debug)]
pub enum Submission {
    /// A new pending row.
    Created(Box<Task>),
    /// The same key came with the same request before: that task, as it stands now.
    Replayed(Box<Task>),
    /// The same key came with another request before.
    Conflict,
}

/// What a list of tasks is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortBy {
    /// Time of submission.
    #[default]
    CreatedAt,
    /// Start of the latest run; those that never ran come last.
    StartedAt,
    /// Length of the latest run, up to now for those that run; those that never ran come last.
    RunningTime,
}

/// Which end comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The smallest first.
    Ascending,
    /// The largest first.
    #[default]
    Descending,
}

/// Which tasks a list shows.
#[derive(Debug, Clone, Default)]
pub struct TaskFilter {
    /// Only these statuses; all when empty.
    pub statuses: Vec<TaskStatus>,
    /// Only this type.
    pub task_type: Option<TaskType>,
    /// Only this video's.
    pub video_id: Option<VideoId>,
    /// Sorted by.
    pub sort_by: SortBy,
    /// In this order.
    pub order: Order,
    /// At most this many.
    pub limit: u32,
    /// After leaving out this many.
    pub offset: u64,
}

/// How much may be on its way.
#[derive(Debug, Clone, Copy)]
pub struct DispatchLimits {
    /// At most this many rows of the queue are `queued` at a time.
    pub window: u32,
    /// At most this many rows of one tenant are `queued` or `running` at a time.
    pub per_tenant: u32,
}

/// What fences a write: the attempt and who holds its lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// Which try of which task.
    pub attempt: Attempt,
    /// The worker that holds the lease.
    pub owner: String,
}

/// A worker's wish to run an attempt.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Which try of which task, and who wants it.
    pub fence: Fence,
    /// The id of the run.
    pub run_id: RunId,
    /// Now.
    pub now: Timestamp,
    /// How long the lease lasts without a heartbeat.
    pub lease: Duration,
    /// How long the run may take in all.
    pub limit: Duration,
}

/// A run that ended well.
#[derive(Debug, Clone)]
pub struct Completion {
    /// The lease.
    pub fence: Fence,
    /// Now.
    pub now: Timestamp,
    /// Everything the run found, in order; stored in the same transaction.
    pub artifacts: Vec<Artifact>,
    /// How long the model took.
    pub inference_time_ms: Option<f64>,
}

/// What becomes of a task whose run failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// `failed`, for good.
    Final,
    /// Back to `pending`, not before this; counted as a failure.
    RetryAt(Timestamp),
    /// Back to `pending`, not before this; not counted, as it was not the task's fault.
    SnoozeUntil(Timestamp),
}

/// A run that did not end well.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The lease.
    pub fence: Fence,
    /// Now.
    pub now: Timestamp,
    /// Why; kept with the row only when the fate is final.
    pub error: TaskError,
    /// What becomes of it.
    pub fate: Fate,
}

/// What became of a wish to cancel.
#[derive(Debug)]
pub enum CancelOutcome {
    /// Cancelled; the status it had, and the attempt that may still be running somewhere.
    Cancelled {
        /// The status before.
        was: TaskStatus,
        /// The attempt that nobody needs any more.
        attempt: Attempt,
    },
    /// It had ended already.
    WrongState(TaskStatus),
    /// The tenant has no such task.
    NotFound,
}

/// What became of a wish to delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// Gone, with its artifacts.
    Deleted,
    /// It has not ended.
    WrongState(TaskStatus),
    /// The tenant has no such task.
    NotFound,
}

/// What became of a wish to try again.
#[derive(Debug)]
pub enum RetryOutcome {
    /// Pending again.
    Pending(Box<Task>),
    /// Neither failed nor cancelled.
    WrongState(TaskStatus),
    /// The tenant has no such task.
    NotFound,
}

/// What became of a wish to enqueue a pending task now.
#[derive(Debug)]
pub enum EnqueueOutcome {
    /// Queued: deliver this attempt.
    Queued(Box<Task>),
    /// Not pending.
    WrongState(TaskStatus),
    /// The tenant has no such task.
    NotFound,
}

/// How many rows stand where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueDepth {
    /// The queue.
    pub queue: QueueName,
    /// The status.
    pub status: TaskStatus,
    /// How many rows.
    pub count: u64,
    /// Since when the oldest of them has the status; for pending rows, since when it may go.
    pub oldest_at: Option<Timestamp>,
}

/// A committed change of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskChange {
    /// Which try of which task.
    pub attempt: Attempt,
    /// Whose.
    pub tenant_id: TenantId,
    /// The tenant's name, for the log.
    pub tenant: TenantSlug,
    /// The queue it belongs to.
    pub queue: QueueName,
    /// The status it has now.
    pub status: TaskStatus,
    /// The task's version with this change: the id of the event.
    pub version: i64,
    /// Something is to be done after the task has ended; told with its end only.
    pub has_callbacks: bool,
}

impl TaskChange {
    /// True when deliveries were made with this change.
    pub fn owes_callbacks(&self) -> bool {
        self.has_callbacks && self.status.is_terminal()
    }
}

/// Hears of committed changes, before the callers that made them; must return at once and not fail.
///
/// Changes that follow from each other are told in their order. Of two that were under way at the same time over
/// PostgreSQL either may be told first: `version` says which came first. Changes by other processes are not told.
pub trait TaskObserver: Send + Sync {
    /// Some tasks changed, in this order.
    fn changed(&self, changes: &[TaskChange]);
}

/// Tasks and their artifacts. Every method that moves a task follows `ortolan_domain::task::TRANSITIONS`, is guarded in
/// the statement itself, and raises the row's `version` by one.
#[async_trait]
pub trait TaskStore: Send + Sync {
    /// Stores a pending row after whose end nothing is to be done; durable when it returns.
    async fn submit(&self, task: NewTask, idempotency: Option<Idempotency>) -> Result<Submission, StoreError> {
        self.submit_with_callbacks(task, Vec::new(), idempotency).await
    }

    /// Stores a pending row; durable when it returns. What is to be done once the task has ended is written down in the transactions that
    /// store and end it.
    async fn submit_with_callbacks(
        &self,
        task: NewTask,
        callbacks: Vec<NewCallback>,
        idempotency: Option<Idempotency>,
    ) -> Result<Submission, StoreError>;

    /// The tenant's task, if it has it.
    async fn get(&self, tenant: TenantId, id: TaskId) -> Result<Option<Task>, StoreError>;

    /// The tenant's tasks; `now` is needed to sort by running time.
    async fn list(&self, tenant: TenantId, filter: &TaskFilter, now: Timestamp) -> Result<Page<Task>, StoreError>;

    /// The artifacts of the tenant's task by ordinal, or `None` when it has no such task.
    async fn artifacts(
        &self,
        tenant: TenantId,
        id: TaskId,
        limit: u32,
        offset: u64,
    ) -> Result<Option<Page<Artifact>>, StoreError>;

    /// Moves pending rows to `queued`, as many as the limits allow: fair between tenants (rank among the tenant's own plus
    /// what it has in flight), then by priority, then by age. Returns what must be delivered.
    async fn dispatch(
        &self,
        queue: QueueName,
        limits: DispatchLimits,
        now: Timestamp,
    ) -> Result<Vec<TaskChange>, StoreError>;

    /// True when [`dispatch`](Self::dispatch) would move something now. It only reads, so it holds up no writes and no other dispatch.
    async fn may_dispatch(&self, queue: QueueName, limits: DispatchLimits, now: Timestamp) -> Result<bool, StoreError>;

    /// Moves one pending row to `queued`, whatever the limits.
    async fn enqueue(&self, tenant: TenantId, id: TaskId, now: Timestamp) -> Result<EnqueueOutcome, StoreError>;

    /// Moves queued rows back to `pending`, because their deliveries could not be pushed; their attempts are not counted.
    async fn undo_dispatch(&self, attempts: &[Attempt], now: Timestamp) -> Result<u64, StoreError>;

    /// Moves queued rows back to `pending`, because their deliveries were pushed and got lost; returns how many.
    async fn take_back_lost(&self, attempts: &[Attempt]) -> Result<Vec<TaskChange>, StoreError>;

    /// Moves a queued row to `running` and gives its lease; `None` for a stale delivery.
    async fn claim(&self, claim: Claim) -> Result<Option<Task>, StoreError>;

    /// Extends leases; returns the attempts whose lease is lost (cancelled, timed out, taken), which must stop.
    async fn heartbeat(
        &self,
        owner: &str,
        held: &[(Attempt, Option<f64>)],
        until: Timestamp,
    ) -> Result<Vec<Attempt>, StoreError>;

    /// Stores the artifacts and moves the row to `completed` in one transaction; false when the lease is lost, and then
    /// nothing is stored. Durable when it returns.
    async fn complete(&self, completion: Completion) -> Result<bool, StoreError>;

    /// Moves the row on after a failure; false when the lease is lost.
    async fn fail(&self, failure: Failure) -> Result<bool, StoreError>;

    /// Moves an open row to `cancelled`; durable when it returns.
    async fn cancel(&self, tenant: TenantId, id: TaskId, now: Timestamp) -> Result<CancelOutcome, StoreError>;

    /// Deletes an ended row with its artifacts.
    async fn delete(&self, tenant: TenantId, id: TaskId) -> Result<DeleteOutcome, StoreError>;

    /// Moves a failed or cancelled row to `pending` with the same configuration; `attempt` keeps growing.
    async fn retry(&self, tenant: TenantId, id: TaskId, now: Timestamp) -> Result<RetryOutcome, StoreError>;

    /// Takes back leases that ran out: `pending`, or `failed` with code `poison` at `max_crashes`.
    async fn lose_leases(&self, now: Timestamp, max_crashes: i32, limit: u32) -> Result<Vec<TaskChange>, StoreError>;

    /// Attempts that are in a queue since before `before`, the oldest first.
    async fn queued_before(&self, queue: QueueName, before: Timestamp, limit: u32) -> Result<Vec<Attempt>, StoreError>;

    /// Which of these attempts are running.
    async fn running_among(&self, attempts: &[Attempt]) -> Result<Vec<Attempt>, StoreError>;

    /// Takes back every queued and running row: only for the one process that owns the database, at its start. A row that
    /// was running counts as crashed.
    async fn take_back_all(&self, now: Timestamp, max_crashes: i32) -> Result<u64, StoreError>;

    /// Fails rows that were not started before they expired.
    async fn expire(&self, now: Timestamp, limit: u32) -> Result<Vec<TaskChange>, StoreError>;

    /// What does not hold of the tasks, in words: nothing, unless there is an error in the product or somebody has changed the database by
    /// hand. With `ended_since`, of those that have not ended or ended since then; at most `limit` tasks are told of.
    async fn violations(&self, ended_since: Option<Timestamp>, limit: u32) -> Result<Vec<Violation>, StoreError>;

    /// Running rows that started before `started_before`.
    async fn long_running(&self, started_before: Timestamp, limit: u32) -> Result<Vec<Task>, StoreError>;

    /// Deletes ended rows that ended before `ended_before`, with their artifacts; returns how many.
    async fn delete_ended(&self, ended_before: Timestamp, limit: u32) -> Result<u64, StoreError>;

    /// Forgets idempotency keys that expired; returns how many.
    async fn forget_idempotency_keys(&self, now: Timestamp, limit: u32) -> Result<u64, StoreError>;

    /// How many rows stand where, for all tenants; ended rows are not counted.
    async fn depths(&self) -> Result<Vec<QueueDepth>, StoreError>;

    /// How many of the tenant's rows have not ended.
    async fn open_tasks(&self, tenant: TenantId) -> Result<u64, StoreError>;

    /// Reads something small, to see whether the database answers.
    async fn ping(&self) -> Result<(), StoreError>;
}
