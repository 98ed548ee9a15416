//! What can go wrong between the database and a queue.

use ortolan_queue::QueueError;
use ortolan_store::StoreError;

/// Why tasks could not be dispatched; they are pending, or will be again.
#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    /// The database failed.
    #[error("tasks could not be moved to the queue")]
    Store(#[from] StoreError),
    /// The broker is down or refuses: the tasks are pending again, or become so once nobody claims them.
    #[error("the broker is unavailable")]
    Unavailable(#[from] QueueError),
}
