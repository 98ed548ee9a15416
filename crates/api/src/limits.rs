//! Bounds on what may be under way at once; past them the answer is "too busy", never growth.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ortolan_domain::{ErrorCode, TenantId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;
use crate::settings::ApiSettings;

/// Bounds on what may be under way at once.
pub struct Limits {
    requests: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
    watchers: Arc<Semaphore>,
    of_tenants: Arc<OfTenants>,
}

/// Requests that each tenant has under way.
struct OfTenants {
    most: usize,
    under_way: Mutex<HashMap<TenantId, usize>>,
}

/// A place among a tenant's requests, until it is dropped.
pub struct TenantPlace {
    tenant: TenantId,
    of_tenants: Arc<OfTenants>,
}

impl Limits {
    pub(crate) fn new(settings: &ApiSettings) -> Self {
        let places = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Self {
            requests: places(settings.max_requests),
            uploads: places(settings.max_uploads),
            watchers: places(settings.max_watchers),
            of_tenants: Arc::new(OfTenants { most: settings.max_requests_per_tenant, under_way: Mutex::default() }),
        }
    }

    /// A place among the tenant's own requests: the others' must not be taken by one tenant's burst.
    pub(crate) fn of_tenant(&self, tenant: TenantId) -> Result<TenantPlace, ApiError> {
        let mut under_way = self.of_tenants.under_way();
        let count = under_way.entry(tenant).or_default();
        if *count >= self.of_tenants.most {
            let detail = format!("the tenant has {count} requests under way, which is as many as it may have");
            return Err(ApiError::new(ErrorCode::QuotaExceeded, detail));
        }
        *count += 1;
        Ok(TenantPlace { tenant, of_tenants: Arc::clone(&self.of_tenants) })
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

impl OfTenants {
    fn under_way(&self) -> MutexGuard<'_, HashMap<TenantId, usize>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TenantPlace {
    fn drop(&mut self) {
        let mut under_way = self.of_tenants.under_way();
        if let Entry::Occupied(mut count) = under_way.entry(self.tenant) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

fn take(places: &Arc<Semaphore>, what: &'static str) -> Result<OwnedSemaphorePermit, ApiError> {
    Arc::clone(places)
        .try_acquire_owned()
        .map_err(|_| ApiError::new(ErrorCode::Overloaded, format!("too many {what} at once")))
}
