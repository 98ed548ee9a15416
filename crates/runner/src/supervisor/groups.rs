//! The runners by tenant and device, each started by the first call that needs it and again by the first after its death.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ortolan_domain::TenantSlug;
use ortolan_engine::Device;
use tokio::time::Instant;

use crate::error::RunnerError;
use crate::settings::{Isolation, RunnerSettings};
use crate::supervisor::deaths::Deaths;
use crate::supervisor::host::Host;
use crate::supervisor::info::{RunnerInfo, resident};
use crate::supervisor::local::{Local, open_engine};
use crate::supervisor::models::{CacheLimits, ModelCache};
use crate::supervisor::spawn::Launch;

/// The use of a runner, which ends once the pool and all loaded models and calls have let go of it.
#[derive(Debug)]
pub(super) struct Lease {
    host: Host,
    last_used: Mutex<Instant>,
}

impl Lease {
    fn new(host: Host) -> Arc<Self> {
        Arc::new(Self { host, last_used: Mutex::new(Instant::now()) })
    }

    /// Where calls go; counts as a use.
    pub(super) fn host(&self) -> &Host {
        *lock(&self.last_used) = Instant::now();
        &self.host
    }

    /// True until the runner ended.
    pub(super) fn is_alive(&self) -> bool {
        self.host.is_alive()
    }

    /// Its resident memory.
    pub(super) fn resident_bytes(&self) -> u64 {
        resident(self.host.pid()).now_bytes
    }

    /// Lets the runner forget a model.
    pub(super) fn unload(&self, model: u32) {
        self.host.unload(model);
    }

    fn is_idle(&self, timeout: Duration) -> bool {
        self.host.under_way() == 0 && lock(&self.last_used).elapsed() > timeout
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.host.retire();
    }
}

/// Who shares a runner.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct GroupKey {
    /// Absent when tenants share it.
    tenant: Option<TenantSlug>,
    device: Device,
}

/// The place of one runner. Starting it holds up nobody but those who need this one.
#[derive(Debug, Default)]
struct Group {
    starting: tokio::sync::Mutex<()>,
    current: Mutex<Option<Arc<Lease>>>,
}

impl Group {
    fn alive(&self) -> Option<Arc<Lease>> {
        let mut current = lock(&self.current);
        if current.as_ref().is_some_and(|lease| !lease.is_alive()) {
            *current = None;
        }
        current.clone()
    }
}

/// All places of runners.
#[derive(Debug)]
pub(super) struct Groups {
    groups: Mutex<HashMap<GroupKey, Arc<Group>>>,
    pub(super) models: Arc<ModelCache>,
    pub(super) deaths: Arc<Deaths>,
}

impl Groups {
    /// No runners yet, and a cache of models with these limits.
    pub(super) fn new(limits: CacheLimits) -> Self {
        let models = Arc::new(ModelCache::new(limits));
        Self { groups: Mutex::default(), models, deaths: Arc::default() }
    }

    /// The runner for a tenant on a device, started if there is none alive.
    pub(super) async fn lease(
        &self,
        settings: &RunnerSettings,
        tenant: &TenantSlug,
        device: Device,
    ) -> Result<Arc<Lease>, RunnerError> {
        let tenant = (settings.isolation == Isolation::Tenant).then(|| tenant.clone());
        let key = GroupKey { tenant, device };
        let group = Arc::clone(lock(&self.groups).entry(key.clone()).or_default());
        let _turn = group.starting.lock().await;
        if let Some(lease) = group.alive() {
            return Ok(lease);
        }
        let lease = Lease::new(self.start(settings, &key, &group).await?);
        *lock(&group.current) = Some(Arc::clone(&lease));
        Ok(lease)
    }

    async fn start(&self, settings: &RunnerSettings, key: &GroupKey, group: &Arc<Group>) -> Result<Host, RunnerError> {
        if settings.isolation == Isolation::None {
            let engine = open_engine(&settings.runtime_library)?;
            let local = Local::new(
                engine,
                settings.sessions(key.device),
                settings.picture_limit_px,
                settings.slots_on(key.device),
            );
            return Ok(Host::Local(Arc::new(local)));
        }
        let whose = key.tenant.as_ref().map_or_else(|| "shared".to_owned(), TenantSlug::to_string);
        let (process, _) = Launch::new(settings, settings.hello(key.device), whose).start().await?;
        let (deaths, models) = (Arc::clone(&self.deaths), Arc::clone(&self.models));
        let (tenant, group, followed) = (key.tenant.clone(), Arc::downgrade(group), Arc::clone(&process));
        tokio::spawn(async move {
            if let Some(cause) = followed.ended().await {
                tracing::warn!(tenant_id = tenant.as_ref().map(TenantSlug::as_str), ?cause, "a runner died");
                deaths.count(tenant.as_ref(), cause);
            }
            // What is left of it is memory that it shared with the service.
            models.forget_dead();
            drop(group.upgrade().and_then(|group| group.alive()));
        });
        Ok(Host::Process(process))
    }

    /// The runners that are alive.
    pub(super) fn list(&self) -> Vec<RunnerInfo> {
        let groups: Vec<_> = lock(&self.groups).iter().map(|(key, group)| (key.clone(), Arc::clone(group))).collect();
        let runners = groups.into_iter().filter_map(|(key, group)| {
            let host = &group.alive()?.host;
            Some(RunnerInfo {
                tenant: key.tenant,
                device: key.device.to_string(),
                pid: host.pid(),
                rss_bytes: resident(host.pid()).now_bytes,
                calls: host.under_way(),
            })
        });
        runners.collect()
    }

    /// Lets go of a tenant's runners, or of all. They end once their calls have.
    pub(super) fn let_go(&self, tenant: Option<&TenantSlug>) {
        let concerned = |key: &GroupKey| tenant.is_none_or(|tenant| key.tenant.as_ref() == Some(tenant));
        let gone: Vec<_> = lock(&self.groups).extract_if(|key, _| concerned(key)).collect();
        drop(gone);
    }

    /// Lets go of the runners that served nothing for a while, and says which.
    pub(super) fn let_go_of_idle(&self, timeout: Duration) -> Vec<Arc<Lease>> {
        let is_idle = |group: &Arc<Group>| group.alive().is_some_and(|lease| lease.is_idle(timeout));
        let idle = lock(&self.groups).extract_if(|_, group| is_idle(group)).collect::<Vec<_>>();
        idle.into_iter().filter_map(|(_, group)| group.alive()).collect()
    }

    /// Kills all runners and waits until they are gone.
    pub(super) async fn end_all(&self) {
        let groups: Vec<_> = lock(&self.groups).drain().map(|(_, group)| group).collect();
        for lease in groups.iter().filter_map(|group| group.alive()) {
            lease.host.retire();
            if let Host::Process(process) = &lease.host {
                process.ended().await;
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
