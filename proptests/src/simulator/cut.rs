//! The line between one part and the database, which can be cut: requests no longer arrive, or answers no longer come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use ortolan_domain::artifact::Artifact;
use ortolan_domain::invariant::Violation;
use ortolan_domain::job::Attempt;
use ortolan_domain::route::QueueName;
use ortolan_domain::task::NewTask;
use ortolan_domain::{Task, TaskId, TenantId, Timestamp};
use ortolan_store::{
    CancelOutcome, Claim, Completion, DeleteOutcome, DispatchLimits, EnqueueOutcome, Failure, Idempotency, NewCallback,
    Page, QueueDepth, RetryOutcome, StoreError, Submission, TaskChange, TaskFilter, TaskStore,
};

const UP: u8 = 0;
const REQUESTS_LOST: u8 = 1;
const ANSWERS_LOST: u8 = 2;

/// A line to the store.
pub(super) struct Line {
    store: Arc<dyn TaskStore>,
    state: AtomicU8,
}

impl Line {
    pub(super) fn to(store: Arc<dyn TaskStore>) -> Arc<Self> {
        Arc::new(Self { store, state: AtomicU8::new(UP) })
    }

    /// Requests are lost from now on; or they are carried out, and their answers are lost.
    pub(super) fn cut(&self, answers_only: bool) {
        self.state.store(if answers_only { ANSWERS_LOST } else { REQUESTS_LOST }, Ordering::SeqCst);
    }

    pub(super) fn heal(&self) {
        self.state.store(UP, Ordering::SeqCst);
    }

    async fn carry<T>(&self, request: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let state = self.state.load(Ordering::SeqCst);
        if state == REQUESTS_LOST {
            return Err(unreachable());
        }
        let answer = request.await?;
        if state == ANSWERS_LOST { Err(unreachable()) } else { Ok(answer) }
    }
}

fn unreachable() -> StoreError {
    StoreError::Unavailable(std::io::Error::other("the line is cut").into())
}

/// Carries each request over the line.
macro_rules! carried {
    ($(fn $name:ident($($arg:ident: $kind:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl TaskStore for Line {
            $(async fn $name(&self, $($arg: $kind),*) -> Result<$answer, StoreError> {
                self.carry(self.store.$name($($arg),*)).await
            })*
        }
    };
}

carried! {
    fn submit(task: NewTask, idempotency: Option<Idempotency>) -> Submission;
    fn submit_with_callbacks(
        task: NewTask, callbacks: Vec<NewCallback>, idempotency: Option<Idempotency>
    ) -> Submission;
    fn get(tenant: TenantId, id: TaskId) -> Option<Task>;
    fn list(tenant: TenantId, filter: &TaskFilter, now: Timestamp) -> Page<Task>;
    fn artifacts(tenant: TenantId, id: TaskId, limit: u32, offset: u64) -> Option<Page<Artifact>>;
    fn dispatch(queue: QueueName, limits: DispatchLimits, now: Timestamp) -> Vec<TaskChange>;
    fn enqueue(tenant: TenantId, id: TaskId, now: Timestamp) -> EnqueueOutcome;
    fn may_dispatch(queue: QueueName, limits: DispatchLimits, now: Timestamp) -> bool;
    fn undo_dispatch(attempts: &[Attempt], now: Timestamp) -> u64;
    fn take_back_lost(attempts: &[Attempt]) -> Vec<TaskChange>;
    fn claim(claim: Claim) -> Option<Task>;
    fn heartbeat(owner: &str, held: &[(Attempt, Option<f64>)], until: Timestamp) -> Vec<Attempt>;
    fn complete(completion: Completion) -> bool;
    fn fail(failure: Failure) -> bool;
    fn cancel(tenant: TenantId, id: TaskId, now: Timestamp) -> CancelOutcome;
    fn delete(tenant: TenantId, id: TaskId) -> DeleteOutcome;
    fn retry(tenant: TenantId, id: TaskId, now: Timestamp) -> RetryOutcome;
    fn lose_leases(now: Timestamp, max_crashes: i32, limit: u32) -> Vec<TaskChange>;
    fn queued_before(queue: QueueName, before: Timestamp, limit: u32) -> Vec<Attempt>;
    fn running_among(attempts: &[Attempt]) -> Vec<Attempt>;
    fn take_back_all(now: Timestamp, max_crashes: i32) -> u64;
    fn expire(now: Timestamp, limit: u32) -> Vec<TaskChange>;
    fn violations(ended_since: Option<Timestamp>, limit: u32) -> Vec<Violation>;
    fn long_running(started_before: Timestamp, limit: u32) -> Vec<Task>;
    fn delete_ended(ended_before: Timestamp, limit: u32) -> u64;
    fn forget_idempotency_keys(now: Timestamp, limit: u32) -> u64;
    fn depths() -> Vec<QueueDepth>;
    fn open_tasks(tenant: TenantId) -> u64;
    fn ping() -> ();
}
