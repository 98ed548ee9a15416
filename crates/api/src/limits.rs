//! Bounds on what may be under way at once; past them the answer is "too busy", never growth.

use std::sync::Arc;

use ortolan_domain::ErrorCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;
use crate::settings::ApiSettings;

/// Bounds on what may be under way at once.
pub struct Limits {
    requests: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
    watchers: Arc<Semaphore>,
}

impl Limits {
    pub(crate) fn new(settings: &ApiSettings) -> Self {
        let places = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Self {
            requests: places(settings.max_requests),
            uploads: places(settings.max_uploads),
            watchers: places(settings.max_watchers),
        }
    }

    /// A place for a request, until its answer's head is made.
    pub(crate) fn request(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        take(&self.requests, "requests")
    }

    /// A place for an upload.
    pub(crate) fn upload(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        take(&self.uploads, "uploads")
    }

    /// A place for a client that waits for a task or follows its events.
    pub(crate) fn watcher(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        take(&self.watchers, "waiting clients")
    }
}

fn take(places: &Arc<Semaphore>, what: &'static str) -> Result<OwnedSemaphorePermit, ApiError> {
    Arc::clone(places)
        .try_acquire_owned()
        .map_err(|_| ApiError::new(ErrorCode::Overloaded, format!("too many {what} at once")))
}
