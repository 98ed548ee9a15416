//! The loops that dispatch, and the way around them for one task.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ortolan_domain::job::{Attempt, delivery_id};
use ortolan_domain::route::QueueName;
use ortolan_domain::task::Task;
use ortolan_domain::{Clock, TaskId, TaskStatus, TenantId, TenantSlug};
use ortolan_queue::Queues;
use ortolan_service::telemetry::metrics;
use ortolan_store::{DispatchLimits, EnqueueOutcome, TaskStore};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::DispatchError;

/// How often each queue is looked at when nothing wakes its loop.
const TICK: Duration = Duration::from_secs(1);
/// How long the broker may take to answer before it counts as gone.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// What became of a wish to enqueue a task now.
#[derive(Debug)]
pub enum Enqueued {
    /// Its delivery is in the queue; the task as it stands now.
    Queued(Box<Task>),
    /// It is not pending.
    WrongState(TaskStatus),
    /// The tenant has no such task.
    NotFound,
}

/// Moves pending tasks into the queues.
pub struct Dispatcher {
    tasks: Arc<dyn TaskStore>,
    queues: Queues,
    clock: Arc<dyn Clock>,
    limits: DispatchLimits,
    wanted: [Wanted; QueueName::TASKS.len()],
}

/// A wish for a pass over a queue.
#[derive(Default)]
struct Wanted {
    bell: Notify,
    /// There is something to dispatch, unless another process was quicker.
    has_work: AtomicBool,
}

impl Dispatcher {
    /// A dispatcher; it does nothing until [`Dispatcher::run`].
    pub fn new(tasks: Arc<dyn TaskStore>, queues: Queues, clock: Arc<dyn Clock>, limits: DispatchLimits) -> Self {
        Self { tasks, queues, clock, limits, wanted: Default::default() }
    }

    /// Says that a queue has something to dispatch. Returns at once; many calls make one pass.
    pub fn nudge(&self, queue: QueueName) {
        if let Some(wanted) = self.wanted(queue) {
            wanted.has_work.store(true, Ordering::Release);
            wanted.bell.notify_one();
        }
    }

    /// Says that a queue has room for more, if more waits. The same, but the pass looks first: mostly nothing waits, and a pass that
    /// moves nothing would only keep others from theirs.
    pub fn nudge_for_room(&self, queue: QueueName) {
        if let Some(wanted) = self.wanted(queue) {
            wanted.bell.notify_one();
        }
    }

    fn wanted(&self, queue: QueueName) -> Option<&Wanted> {
        QueueName::TASKS.iter().position(|name| *name == queue).map(|place| &self.wanted[place])
    }

    /// Dispatches until `stop`: whenever a queue was nudged, and once a second.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let [gpu, cpu] = QueueName::TASKS;
        tokio::join!(self.run_queue(gpu, &self.wanted[0], &stop), self.run_queue(cpu, &self.wanted[1], &stop));
    }

    async fn run_queue(&self, queue: QueueName, wanted: &Wanted, stop: &CancellationToken) {
        let mut failing = false;
        loop {
            match self.pass(queue, wanted.has_work.swap(false, Ordering::AcqRel)).await {
                Ok(()) => failing = false,
                Err(error) => report(queue, &error, &mut failing),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = wanted.bell.notified(), if !failing => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// A pass that may find nothing looks before it does anything.
    async fn pass(&self, queue: QueueName, has_work: bool) -> Result<(), DispatchError> {
        if has_work || self.tasks.may_dispatch(queue, self.limits, self.clock.now()).await? {
            self.drain(queue).await?;
        }
        Ok(())
    }

    /// One pass, and another one at once for as long as whole windows go out: then consumers are faster than this loop.
    async fn drain(&self, queue: QueueName) -> Result<(), DispatchError> {
        while self.dispatch_once(queue).await? >= self.limits.window as usize {}
        Ok(())
    }

    /// True when the broker answers soon.
    pub async fn can_push(&self) -> bool {
        matches!(tokio::time::timeout(ANSWER_LIMIT, self.queues.cpu.ping()).await, Ok(Ok(())))
    }

    /// Moves what may go into a queue, once; returns how many deliveries were pushed.
    pub async fn dispatch_once(&self, queue: QueueName) -> Result<usize, DispatchError> {
        let moved = self.tasks.dispatch(queue, self.limits, self.clock.now()).await?;
        if moved.is_empty() {
            return Ok(0);
        }
        let leaving: Vec<_> = moved.iter().map(|change| (change.attempt, &change.tenant)).collect();
        self.deliver(queue, &leaving).await?;
        Ok(moved.len())
    }

    /// Moves one pending task into its queue now, whatever the limits. A caller that goes away half-way leaves a task that
    /// is queued and not delivered; like all of those, the reconciler takes it back.
    pub async fn enqueue_now(&self, tenant: TenantId, id: TaskId) -> Result<Enqueued, DispatchError> {
        match self.tasks.enqueue(tenant, id, self.clock.now()).await? {
            EnqueueOutcome::Queued(task) => {
                let attempt = Attempt { task_id: id, attempt: task.attempt };
                self.deliver(task.spec.queue, &[(attempt, &task.spec.tenant)]).await?;
                Ok(Enqueued::Queued(task))
            }
            EnqueueOutcome::WrongState(status) => Ok(Enqueued::WrongState(status)),
            EnqueueOutcome::NotFound => Ok(Enqueued::NotFound),
        }
    }

    /// Pushes the deliveries of queued rows; when the broker fails, the rows go back to `pending` and their attempts are not
    /// counted. A delivery that got through all the same finds nothing to claim, or is the next dispatch's own.
    async fn deliver(&self, queue: QueueName, leaving: &[(Attempt, &TenantSlug)]) -> Result<(), DispatchError> {
        let jobs = leaving.iter().map(|&(attempt, _)| (delivery_id(attempt), attempt)).collect();
        let Err(error) = self.queues.tasks(queue).push(jobs).await else {
            metrics::dispatched(queue, leaving.len() as u64);
            for &(attempt, tenant) in leaving {
                tracing::info!(task_id = %attempt.task_id, job_id = delivery_id(attempt), tenant_id = %tenant, %queue, "task enqueued");
            }
            return Ok(());
        };
        metrics::dispatch_failed(queue);
        let attempts: Vec<_> = leaving.iter().map(|&(attempt, _)| attempt).collect();
        self.tasks.undo_dispatch(&attempts, self.clock.now()).await?;
        Err(error.into())
    }
}

/// Says so once when a queue begins to fail; every pass would fill the log for as long as the broker is down.
fn report(queue: QueueName, error: &DispatchError, failing: &mut bool) {
    if !std::mem::replace(failing, true) {
        let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        tracing::warn!(%queue, %error, cause, "tasks stay pending until they can be dispatched");
    }
}
