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
/// admit in that time, and so may what is admitted while it is counted.
pub struct OpenTaskQuota {
    tasks: Arc<dyn TaskStore>,
    limit: u64,
    counts: Mutex<HashMap<TenantId, Count>>,
}

#[derive(Clone, Copy)]
struct Count {
    open: u64,
    counted_at: Timestamp,
    /// Since when somebody counts anew. Meanwhile the old count holds: to count many takes long, and longer when all do it.
    renewed_since: Option<Timestamp>,
}

/// What the latest count says.
#[derive(Debug, PartialEq, Eq)]
enum Known {
    Admitted,
    Refused,
    /// Nothing that is fresh enough; whoever hears this counts.
    Nothing,
}

impl OpenTaskQuota {
    pub(crate) fn new(tasks: Arc<dyn TaskStore>, limit: u64) -> Self {
        Self { tasks, limit, counts: Mutex::default() }
    }

    /// Admits one more task of the tenant, or refuses with "quota exceeded".
    pub(crate) async fn admit(&self, tenant: TenantId, now: Timestamp) -> Result<(), ApiError> {
        let mut known = self.add_to_known(tenant, now);
        if known == Known::Nothing {
            let open = self.tasks.open_tasks(tenant).await?;
            self.start_over(tenant, Count::new(open, now));
            known = self.add_to_known(tenant, now);
        }
        match known {
            Known::Admitted | Known::Nothing => Ok(()),
            Known::Refused => Err(self.refusal()),
        }
    }

    fn add_to_known(&self, tenant: TenantId, now: Timestamp) -> Known {
        self.lock().get_mut(&tenant).map_or(Known::Nothing, |count| count.add(self.limit, now))
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

impl Count {
    fn new(open: u64, counted_at: Timestamp) -> Self {
        Self { open, counted_at, renewed_since: None }
    }

    /// Adds a task if there is room for it.
    fn add(&mut self, limit: u64, now: Timestamp) -> Known {
        let has_room = self.open < limit;
        let holds_for = if has_room { COUNT_AGE } else { REFUSAL_AGE };
        // Whoever began to count may have gone away.
        let is_renewed = self.renewed_since.is_some_and(|since| now.since(since) < COUNT_AGE);
        if now.since(self.counted_at) >= holds_for && !is_renewed {
            self.renewed_since = Some(now);
            return Known::Nothing;
        }
        if !has_room {
            return Known::Refused;
        }
        self.open += 1;
        Known::Admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_micros(ms * 1000)
    }

    #[test]
    fn one_counts_anew_and_the_others_go_by_the_old_count() {
        let mut count = Count::new(1, at(0));
        assert_eq!(count.add(4, at(999)), Known::Admitted);
        assert_eq!([count.add(4, at(1000)), count.add(4, at(1001))], [Known::Nothing, Known::Admitted]);
        assert_eq!(count.add(4, at(1999)), Known::Admitted, "the last place of the old count");
        assert_eq!(count.add(4, at(1999)), Known::Refused);
        assert_eq!(
            [count.add(4, at(2000)), count.add(4, at(2001))],
            [Known::Nothing, Known::Refused],
            "the first is gone"
        );
    }

    #[test]
    fn a_refusal_is_soon_looked_at_again() {
        let mut count = Count::new(4, at(0));
        assert_eq!(count.add(4, at(99)), Known::Refused);
        assert_eq!([count.add(4, at(100)), count.add(4, at(101))], [Known::Nothing, Known::Refused]);
    }
}
