//! The deliveries that a sender has under way: so many at once, and so many of one tenant.

use std::collections::HashMap;
use std::future::Future;

use ortolan_domain::TenantId;
use tokio::task::{Id, JoinError, JoinSet};

/// Deliveries at once.
const MOST: usize = 32;
/// Deliveries of one tenant at once.
const MOST_OF_A_TENANT: usize = 8;

/// Deliveries that have begun. Dropping it cuts them off.
#[derive(Default)]
pub(super) struct UnderWay {
    tasks: JoinSet<()>,
    tenants: HashMap<Id, TenantId>,
}

impl UnderWay {
    /// True when nothing more may begin.
    pub(super) fn is_full(&self) -> bool {
        self.tenants.len() >= MOST
    }

    /// How many more of the tenant's may begin.
    pub(super) fn places_for(&self, tenant: TenantId) -> u32 {
        let theirs = self.tenants.values().filter(|other| **other == tenant).count();
        let free = MOST_OF_A_TENANT.saturating_sub(theirs).min(MOST.saturating_sub(self.tenants.len()));
        u32::try_from(free).unwrap_or(u32::MAX)
    }

    /// Begins a delivery.
    pub(super) fn begin(&mut self, tenant: TenantId, delivery: impl Future<Output = ()> + Send + 'static) {
        let handle = self.tasks.spawn(delivery);
        self.tenants.insert(handle.id(), tenant);
    }

    /// Waits until one has ended; for ever when there is none.
    pub(super) async fn one_ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(ended) => self.forget(ended),
            None => std::future::pending().await,
        }
    }

    /// Waits until all have ended.
    pub(super) async fn all_ended(&mut self) {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.forget(ended);
        }
    }

    fn forget(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a delivery ended badly; its lease will run out"
                );
                error.id()
            }
        };
        self.tenants.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tenant_has_a_share_and_all_have_a_limit() {
        let mut under_way = UnderWay::default();
        let (first, last) = (TenantId::generate(), TenantId::generate());
        for _ in 0..MOST_OF_A_TENANT {
            assert!(under_way.places_for(first) > 0);
            under_way.begin(first, async {});
        }
        assert_eq!((under_way.places_for(first), under_way.places_for(last)), (0, 8));
        while !under_way.is_full() {
            under_way.begin(TenantId::generate(), async {});
        }
        assert_eq!(under_way.places_for(last), 0);
        under_way.one_ended().await;
        assert_eq!(under_way.places_for(last), 1);
        under_way.all_ended().await;
        assert_eq!(under_way.places_for(first), 8);
    }
}
