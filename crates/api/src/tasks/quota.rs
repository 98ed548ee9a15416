//! How many tasks a tenant may have open, counted without asking the database for each submission.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ortolan_domain::{ErrorCode, TenantId, Timestamp};
use ortolan_store::TaskStore;

use crate::error::ApiError;

/// How long a count is built upon.
const COUNT_AGE: Duration = Duration::from_secs(1);
/// How long a tenant that has reached its limit is refused without counting again.
const REFUSAL_AGE: Duration = Duration::from_millis(100);
/// More tenants than this are not remembered.
const CAPACITY: usize = 10_000;

/// Admits submissions up to a tenant's limit of open tasks. Between two counts, what is admitted is added and what ends is
/// not subtracted; other API processes are seen at the next count, so that together they may pass the limit by what they
/// admit in that time.
pub struct OpenTaskQuota {
    tasks: Arc<dyn TaskStore>,
    limit: u64,
    counts: Mutex<HashMap<TenantId, Count>>,
}

#[derive(Clone, Copy)]
struct Count {
    open: u64,
    counted_at: Timestamp,
}

impl OpenTaskQuota {
    pub(crate) fn new(tasks: Arc<dyn TaskStore>, limit: u64) -> Self {
        Self { tasks, limit, counts: Mutex::default() }
    }

    /// Admits one more task of the tenant, or refuses with "quota exceeded".
    pub(crate) async fn admit(&self, tenant: TenantId, now: Timestamp) -> Result<(), ApiError> {
        match self.add_to_known(tenant, now) {
            Some(outcome) => outcome,
            None => {
                let open = self.tasks.open_tasks(tenant).await?;
                self.start_over(tenant, Count { open, counted_at: now });
                self.add_to_known(tenant, now).unwrap_or(Ok(()))
            }
        }
    }

    /// Decides by the latest count; `None` when there is none that is fresh enough.
    fn add_to_known(&self, tenant: TenantId, now: Timestamp) -> Option<Result<(), ApiError>> {
        let mut counts = self.lock();
        let count = counts.get_mut(&tenant)?;
        let age = now.since(count.counted_at);
        if count.open < self.limit {
            count.open += 1;
            return (age < COUNT_AGE).then_some(Ok(()));
        }
        (age < REFUSAL_AGE).then(|| Err(self.refusal()))
    }

    fn start_over(&self, tenant: TenantId, count: Count) {
        let mut counts = self.lock();
        // Counts live for a second, so that starting over is as good as finding the oldest.
        if counts.len() >= CAPACITY {
            counts.clear();
        }
        counts.insert(tenant, count);
    }

    fn refusal(&self) -> ApiError {
        ApiError::new(ErrorCode::QuotaExceeded, format!("at most {} tasks may be open at a time", self.limit))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
