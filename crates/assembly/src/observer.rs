//! Tells the rest of the installation what the store has committed.

use std::sync::{Arc, OnceLock, Weak};

use ortolan_dispatch::Dispatcher;
use ortolan_domain::TaskStatus;
use ortolan_results::{Signals, TaskSignal};
use ortolan_store::{TaskChange, TaskObserver};

/// Passes changes on as signals, and wakes dispatch where there is something to dispatch or room for more.
pub struct ChangeRelay {
    signals: Signals,
    dispatcher: OnceLock<Weak<Dispatcher>>,
}

impl ChangeRelay {
    /// A relay that knows no dispatcher yet.
    pub fn new(signals: Signals) -> Arc<Self> {
        Arc::new(Self { signals, dispatcher: OnceLock::new() })
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
        let Some(dispatcher) = self.dispatcher.get().and_then(Weak::upgrade) else { return };
        for change in changes {
            // Queued and running rows take up the window; every other status means work or room.
            if !matches!(change.status, TaskStatus::Queued | TaskStatus::Running) {
                dispatcher.nudge(change.queue);
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
