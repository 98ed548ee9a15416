//! Tells the rest of the installation what the store has committed.

use std::sync::{Arc, OnceLock, Weak};

use ortolan_dispatch::Dispatcher;
use ortolan_domain::TaskStatus;
use ortolan_results::{Signals, TaskSignal};
use ortolan_store::{TaskChange, TaskObserver};
use tokio::sync::Notify;

/// Passes changes on as signals, wakes dispatch where there is something to dispatch or room for more, and rings for callbacks.
pub struct ChangeRelay {
    signals: Signals,
    dispatcher: OnceLock<Weak<Dispatcher>>,
    callbacks_owed: Arc<Notify>,
}

impl ChangeRelay {
    /// A relay that knows no dispatcher yet.
    pub fn new(signals: Signals) -> Arc<Self> {
        Arc::new(Self { signals, dispatcher: OnceLock::new(), callbacks_owed: Arc::default() })
    }

    /// Rings when a task has ended whose end is to be told.
    pub fn callbacks_owed(&self) -> Arc<Notify> {
        self.callbacks_owed.clone()
    }

    /// Makes the dispatcher known; the store, which the dispatcher needs, was opened before it.
    pub fn bind(&self, dispatcher: &Arc<Dispatcher>) {
        // A second call would change nothing.
        drop(self.dispatcher.set(Arc::downgrade(dispatcher)));
    }
}

impl TaskObserver for ChangeRelay {
    fn changed(&self, changes: &[TaskChange]) {
        let signals: Vec<_> = changes.iter().map(signal).collect();
        self.signals.publish_changes(&signals);
        if changes.iter().any(TaskChange::owes_callbacks) {
            self.callbacks_owed.notify_one();
        }
        let Some(dispatcher) = self.dispatcher.get().and_then(Weak::upgrade) else { return };
        for change in changes {
            match change.status {
                TaskStatus::Pending => dispatcher.nudge(change.queue),
                // They take up the window.
                TaskStatus::Queued | TaskStatus::Running => {}
                TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled => {
                    dispatcher.nudge_for_room(change.queue);
                }
            }
        }
    }
}

fn signal(change: &TaskChange) -> TaskSignal {
    TaskSignal {
        attempt: change.attempt,
        tenant_id: change.tenant_id,
        queue: change.queue,
        status: change.status,
        version: change.version,
    }
}

/// Hears nothing: for whoever looks and does not change anything.
pub struct Deaf;

impl TaskObserver for Deaf {
    fn changed(&self, _: &[TaskChange]) {}
}
