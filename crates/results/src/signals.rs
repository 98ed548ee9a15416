//! Signals between processes: faster than polling, and never needed for correctness.

use std::sync::Arc;

use ortolan_domain::job::Attempt;
use ortolan_domain::model::ModelRef;
use ortolan_domain::route::QueueName;
use ortolan_domain::{TaskId, TaskStatus, TenantId};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::redis::Redis;
use crate::watchers::{Watch, Watchers};

/// How many signals of one kind a receiver may be behind before it is told that it missed some.
const BACKLOG: usize = 1_024;

/// A task that changed, as it was committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSignal {
    /// Which try of which task.
    #[serde(flatten)]
    pub attempt: Attempt,
    /// Whose.
    pub tenant_id: TenantId,
    /// The queue it belongs to.
    pub queue: QueueName,
    /// The status it has now.
    pub status: TaskStatus,
    /// The task's version with this change.
    pub version: i64,
}

/// One signal, as it travels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Signal {
    Cancel(Attempt),
    Progress(Attempt, f64),
    Changes(Vec<TaskSignal>),
    ModelChanged(ModelRef),
    KeysChanged,
    DispatchWanted(QueueName),
}

/// Where this process's receivers listen.
pub(crate) struct Hub {
    cancels: broadcast::Sender<Attempt>,
    progress: broadcast::Sender<(Attempt, f64)>,
    models: broadcast::Sender<ModelRef>,
    keys: broadcast::Sender<()>,
    dispatch: broadcast::Sender<QueueName>,
    tasks: Arc<Watchers<TaskId, TaskSignal>>,
}

impl Hub {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            cancels: broadcast::Sender::new(BACKLOG),
            progress: broadcast::Sender::new(BACKLOG),
            models: broadcast::Sender::new(BACKLOG),
            keys: broadcast::Sender::new(BACKLOG),
            dispatch: broadcast::Sender::new(BACKLOG),
            tasks: Watchers::new(),
        })
    }

    /// Tells everyone in this process. A signal that nobody listens for is gone.
    pub(crate) fn deliver(&self, signal: &Signal) {
        match signal {
            Signal::Cancel(attempt) => drop(self.cancels.send(*attempt)),
            Signal::Progress(attempt, share) => drop(self.progress.send((*attempt, *share))),
            Signal::Changes(changes) => {
                self.tasks.notify(changes.iter().map(|change| (change.attempt.task_id, change.clone())));
            }
            Signal::ModelChanged(model) => drop(self.models.send(model.clone())),
            Signal::KeysChanged => drop(self.keys.send(())),
            Signal::DispatchWanted(queue) => drop(self.dispatch.send(*queue)),
        }
    }
}

/// Signals between processes, or inside of one; losing one only costs time. Cheap to clone. Publishing never blocks and
/// never fails. A receiver that falls far behind gets `Lagged` and should take it for "anything may have changed".
#[derive(Clone)]
pub struct Signals {
    hub: Arc<Hub>,
    /// Where the other processes are.
    others: Option<Redis>,
}

impl Signals {
    /// Signals inside of this process.
    pub fn in_process() -> Self {
        Self { hub: Hub::new(), others: None }
    }

    /// Signals between all processes on the same Redis.
    pub fn redis(redis: &Redis) -> Self {
        Self { hub: Arc::clone(redis.hub()), others: Some(redis.clone()) }
    }

    /// Says that nobody needs the attempt any more.
    pub fn publish_cancel(&self, attempt: Attempt) {
        self.publish(Signal::Cancel(attempt));
    }

    /// The attempts that nobody needs any more, from now on.
    pub fn cancels(&self) -> broadcast::Receiver<Attempt> {
        self.hub.cancels.subscribe()
    }

    /// Says which share of an attempt is done, 0 to 1.
    pub fn publish_progress(&self, attempt: Attempt, share: f64) {
        self.publish(Signal::Progress(attempt, share));
    }

    /// Which shares of attempts are done, from now on.
    pub fn progress(&self) -> broadcast::Receiver<(Attempt, f64)> {
        self.hub.progress.subscribe()
    }

    /// Says that tasks changed, in this order.
    pub fn publish_changes(&self, changes: &[TaskSignal]) {
        if !changes.is_empty() {
            self.publish(Signal::Changes(changes.to_vec()));
        }
    }

    /// The changes of one task, from now on.
    pub fn watch_task(&self, id: TaskId) -> TaskWatch {
        TaskWatch(self.hub.tasks.watch(id))
    }

    /// Says that a tenant's model is no longer what it was.
    pub fn publish_model_changed(&self, model: ModelRef) {
        self.publish(Signal::ModelChanged(model));
    }

    /// The models that are no longer what they were, from now on.
    pub fn model_changes(&self) -> broadcast::Receiver<ModelRef> {
        self.hub.models.subscribe()
    }

    /// Says that keys or tenants changed.
    pub fn publish_keys_changed(&self) {
        self.publish(Signal::KeysChanged);
    }

    /// Hears that keys or tenants changed, from now on.
    pub fn keys_changes(&self) -> broadcast::Receiver<()> {
        self.hub.keys.subscribe()
    }

    /// Says that a queue may have something to dispatch.
    pub fn publish_dispatch_wanted(&self, queue: QueueName) {
        self.publish(Signal::DispatchWanted(queue));
    }

    /// The queues that may have something to dispatch, from now on.
    pub fn dispatch_wanted(&self) -> broadcast::Receiver<QueueName> {
        self.hub.dispatch.subscribe()
    }

    fn publish(&self, signal: Signal) {
        self.hub.deliver(&signal);
        if let Some(redis) = &self.others {
            redis.outbox().publish(signal);
        }
    }
}

/// The changes of one task. Dropping it ends the watch.
pub struct TaskWatch(Watch<TaskId, TaskSignal>);

impl TaskWatch {
    /// The next change; intermediate ones may be missed by a slow watcher, the latest is not.
    pub async fn changed(&mut self) -> TaskSignal {
        self.0.changed().await
    }
}
