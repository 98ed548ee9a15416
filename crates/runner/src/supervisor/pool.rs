//! All runners and all loaded models of this process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use ortolan_domain::media::MediaFacts;
use ortolan_domain::{Clock, Slot, TenantSlug, hash};
use ortolan_engine::{Device, TensorView};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::answer::{ModelFacts, ModelReport, Tensor, VisionAnswer, VisionRequest};
use crate::error::RunnerError;
use crate::settings::{DevicePolicy, Isolation, RunnerSettings};
use crate::supervisor::context::{Bounds, CallContext};
use crate::supervisor::deaths::{DeathCount, Deaths};
use crate::supervisor::host::{Host, Request, malformed};
use crate::supervisor::info::{CacheInfo, RunnerInfo, resident};
use crate::supervisor::local::{Local, open_engine};
use crate::supervisor::models::{LoadOutcome, LoadedModel, Lookup, ModelCache, outcome_of};
use crate::supervisor::source::{CacheKey, ModelKey, ModelName, ModelSource, TensorModelKey};
use crate::supervisor::spawn::Launch;
use crate::supervisor::validate;
use crate::wire::message::{OwnedPart, PartKind};
use crate::wire::protocol::{Hello, LoadOptions, Operation, SessionSettings, json_of};

/// All runners and all loaded models of this process. Clones share them.
///
/// A runner starts with the first call that needs it and again with the first call after its death.
#[derive(Debug, Clone)]
pub struct RunnerPool {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) settings: RunnerSettings,
    clock: Arc<dyn Clock>,
    gpus: u32,
    groups: Mutex<HashMap<GroupKey, Arc<Group>>>,
    models: Arc<ModelCache>,
    deaths: Arc<Deaths>,
    pub(super) validations: Semaphore,
    next_model: AtomicU32,
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

    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    fn touch(&self) {
        *lock(&self.last_used) = Instant::now();
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

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("gpus", &self.gpus).finish_non_exhaustive()
    }
}

impl RunnerPool {
    /// Checks settings, sandbox and devices with a first runner, and starts an empty pool.
    pub async fn start(settings: RunnerSettings, clock: Arc<dyn Clock>) -> Result<Self, RunnerError> {
        let gpus = count_gpus(&settings).await?;
        if settings.devices == DevicePolicy::Gpu && gpus == 0 {
            return Err(RunnerError::DeviceUnavailable("cuda".to_owned()));
        }
        let inner = Arc::new(Inner {
            validations: Semaphore::new(settings.validation.concurrency.max(1)),
            settings,
            clock,
            gpus,
            groups: Mutex::default(),
            models: Arc::default(),
            deaths: Arc::default(),
            next_model: AtomicU32::new(1),
        });
        if let Some(timeout) = inner.settings.idle_timeout {
            tokio::spawn(end_idle_runners(Arc::downgrade(&inner), timeout));
        }
        Ok(Self { inner })
    }

    /// How many GPUs are used; 0 means the processor.
    pub fn gpu_count(&self) -> u32 {
        self.inner.gpus
    }

    /// The device for a worker: `cuda:{worker_id % gpu_count}`, or the processor.
    pub fn device(&self, worker_id: u32) -> Device {
        self.inner.device(worker_id)
    }

    /// Loads a model unless it is loaded.
    pub async fn preload(
        &self,
        key: &ModelKey,
        source: Arc<dyn ModelSource>,
        context: CallContext,
    ) -> Result<Arc<ModelFacts>, RunnerError> {
        let model = self.inner.model(key.into(), source, &context.bounds()).await?;
        Ok(Arc::clone(&model.facts))
    }

    /// Runs one picture through one model, loading it first unless it is loaded.
    pub async fn vision(
        &self,
        key: &ModelKey,
        source: Arc<dyn ModelSource>,
        request: VisionRequest,
        media: Bytes,
        context: CallContext,
    ) -> Result<(VisionAnswer, Arc<ModelFacts>), RunnerError> {
        self.inner.check_media(&media)?;
        let model = self.inner.model(key.into(), source, &context.bounds()).await?;
        let mut call = Request::new(Operation::Vision, model.number);
        call.json = Some(serde_json::to_vec(&request).map_err(|error| RunnerError::BadInput(error.to_string()))?);
        call.media = Some(media);
        let parts = self.inner.call(&model, call, context).await?;
        let answer: VisionAnswer = json_of(&parts).ok_or_else(malformed)?;
        Ok((answer, Arc::clone(&model.facts)))
    }

    /// Runs tensors through a model; they are given by name, in any order, and all of them are needed.
    pub async fn infer(
        &self,
        key: &TensorModelKey,
        source: Arc<dyn ModelSource>,
        inputs: Vec<Tensor>,
        context: CallContext,
    ) -> Result<(Vec<Tensor>, Arc<ModelFacts>), RunnerError> {
        let model = self.inner.model(key.into(), source, &context.bounds()).await?;
        let mut call = Request::new(Operation::Infer, model.number);
        call.tensors = in_order(&model.facts, inputs)?;
        let parts = self.inner.call(&model, call, context).await?;
        Ok((named(&model.facts, parts)?, Arc::clone(&model.facts)))
    }

    /// Lets the tenant's runner say what media are.
    pub async fn probe_media(
        &self,
        tenant: &TenantSlug,
        media: Bytes,
        context: CallContext,
    ) -> Result<MediaFacts, RunnerError> {
        self.inner.check_media(&media)?;
        let lease = context.bounds().limit(self.inner.lease(tenant, self.device(0))).await??;
        let mut call = Request::new(Operation::Probe, 0);
        call.media = Some(media);
        lease.touch();
        let parts = lease.host.call(call, context).await?;
        json_of(&parts).ok_or_else(malformed)
    }

    /// Tries an uploaded model in a runner of its own that is thrown away; for a slot it must also fit there and run.
    pub async fn validate_model(
        &self,
        model: Bytes,
        slot: Option<Slot>,
        context: CallContext,
    ) -> Result<ModelReport, RunnerError> {
        validate::validate(&self.inner, model, slot, context).await
    }

    /// What is loaded, and in which runners.
    pub fn cache_info(&self) -> CacheInfo {
        let groups: Vec<_> =
            lock(&self.inner.groups).iter().map(|(key, group)| (key.clone(), Arc::clone(group))).collect();
        let runners = groups.into_iter().filter_map(|(key, group)| {
            let lease = group.alive()?;
            Some(RunnerInfo {
                tenant: key.tenant,
                device: key.device.to_string(),
                pid: lease.host.pid(),
                rss_bytes: resident(lease.host.pid()).now_bytes,
                calls: lease.host.under_way(),
            })
        });
        CacheInfo { models: self.inner.models.list(), runners: runners.collect(), gpu_count: self.inner.gpus }
    }

    /// Forgets a tenant's loaded models, or everyone's, and ends their runners once they are idle; says how many models.
    pub fn clear(&self, tenant: Option<&TenantSlug>) -> usize {
        let removed = self.inner.models.clear(tenant);
        let mut groups = lock(&self.inner.groups);
        let concerned = |key: &GroupKey| tenant.is_none_or(|tenant| key.tenant.as_ref() == Some(tenant));
        let gone: Vec<_> = groups.extract_if(|key, _| concerned(key)).collect();
        drop(groups);
        drop(gone);
        tracing::info!(models_removed = removed, tenant = tenant.map(TenantSlug::as_str), "cleared the model cache");
        removed
    }

    /// Counts of runners that died, by tenant and cause.
    pub fn deaths(&self) -> Vec<DeathCount> {
        self.inner.deaths.list()
    }

    /// Ends all runners; calls under way fail as killed.
    pub async fn shutdown(&self) {
        let groups: Vec<_> = lock(&self.inner.groups).drain().map(|(_, group)| group).collect();
        for lease in groups.iter().filter_map(|group| group.alive()) {
            lease.host.retire();
            if let Host::Process(process) = &lease.host {
                process.ended().await;
            }
        }
        self.inner.models.clear(None);
    }
}

impl Inner {
    fn device(&self, worker_id: u32) -> Device {
        match self.gpus {
            0 => Device::Cpu,
            gpus => Device::Cuda(worker_id % gpus),
        }
    }

    fn check_media(&self, media: &Bytes) -> Result<(), RunnerError> {
        let most = self.settings.media_limit_bytes;
        if media.len() <= most {
            return Ok(());
        }
        Err(RunnerError::TooLarge(format!("media may have at most {most} bytes")))
    }

    async fn call(
        &self,
        model: &LoadedModel,
        request: Request,
        context: CallContext,
    ) -> Result<Vec<OwnedPart>, RunnerError> {
        model.lease.touch();
        model.host().call(request, context).await
    }

    /// The loaded model, waiting for whoever loads it.
    async fn model(self: &Arc<Self>, key: CacheKey, source: Arc<dyn ModelSource>, bounds: &Bounds) -> LoadOutcome {
        bounds.check()?;
        let pending = match self.models.look_up(&key, source.sha256()) {
            Lookup::Ready(model) => return Ok(model),
            Lookup::Wait(pending) => pending,
            Lookup::Load(turn) => {
                let pending = turn.pending();
                let inner = Arc::clone(self);
                // A task of its own: the caller may leave, and others wait for it.
                tokio::spawn(async move {
                    let outcome = inner.load(&key, source.as_ref()).await;
                    if let Err(error) = &outcome {
                        tracing::warn!(cache_key = %key, %error, "a model could not be loaded");
                    }
                    turn.finish(outcome);
                });
                pending
            }
        };
        bounds.limit(outcome_of(pending)).await?
    }

    async fn load(self: &Arc<Self>, key: &CacheKey, source: &dyn ModelSource) -> LoadOutcome {
        let began = Instant::now();
        let bytes = fetch(source).await?;
        let device = self.device(key.worker_id);
        let lease = self.lease(&key.tenant, device).await?;
        let number = self.next_model.fetch_add(1, Ordering::Relaxed);
        let size_bytes = bytes.len() as u64;
        let request = load_request(number, key.slot(), bytes)?;
        let context = CallContext::default().with_deadline(Instant::now() + self.settings.load_timeout);
        let parts = lease.host.call(request, context).await?;
        let facts: ModelFacts = json_of(&parts).ok_or_else(malformed)?;
        let model_type = match &key.name {
            ModelName::Slot(slot) => slot.as_str(),
            ModelName::Tensors(model) => model,
        };
        tracing::info!(
            tenant_id = %key.tenant,
            model_type,
            worker_id = key.worker_id,
            cache_key = %key,
            %device,
            duration_ms = began.elapsed().as_millis() as u64,
            "Model loaded and cached"
        );
        Ok(Arc::new(LoadedModel {
            lease,
            number,
            facts: Arc::new(facts),
            sha256: source.sha256().to_owned(),
            size_bytes,
            device,
            loaded_at: self.clock.now(),
        }))
    }

    /// The runner for a tenant on a device, started if there is none alive.
    async fn lease(self: &Arc<Self>, tenant: &TenantSlug, device: Device) -> Result<Arc<Lease>, RunnerError> {
        let tenant = (self.settings.isolation == Isolation::Tenant).then(|| tenant.clone());
        let key = GroupKey { tenant, device };
        let group = Arc::clone(lock(&self.groups).entry(key.clone()).or_default());
        let _turn = group.starting.lock().await;
        if let Some(lease) = group.alive() {
            return Ok(lease);
        }
        let lease = Lease::new(self.start_host(&key).await?);
        *lock(&group.current) = Some(Arc::clone(&lease));
        Ok(lease)
    }

    async fn start_host(self: &Arc<Self>, key: &GroupKey) -> Result<Host, RunnerError> {
        if self.settings.isolation == Isolation::None {
            let engine = open_engine(&self.settings.runtime_library)?;
            let sessions = self.settings.sessions(key.device);
            return Ok(Host::Local(Arc::new(Local::new(engine, sessions, self.settings.slots))));
        }
        let whose = key.tenant.as_ref().map_or_else(|| "shared".to_owned(), TenantSlug::to_string);
        let (process, _) = Launch::new(&self.settings, self.settings.hello(key.device), whose).start().await?;
        let (deaths, tenant, followed) = (Arc::clone(&self.deaths), key.tenant.clone(), Arc::clone(&process));
        tokio::spawn(async move {
            if let Some(cause) = followed.ended().await {
                tracing::warn!(tenant = tenant.as_ref().map(TenantSlug::as_str), ?cause, "a runner died");
                deaths.count(tenant.as_ref(), cause);
            }
        });
        Ok(Host::Process(process))
    }
}

impl Group {
    fn alive(&self) -> Option<Arc<Lease>> {
        let mut current = lock(&self.current);
        if current.as_ref().is_some_and(|lease| !lease.host.is_alive()) {
            *current = None;
        }
        current.clone()
    }
}

impl RunnerSettings {
    /// What a runner on `device` is told.
    pub(super) fn hello(&self, device: Device) -> Hello {
        let layout = crate::wire::segment::Layout::new(self.slots, self.room_bytes);
        let memory_limit_bytes = match device {
            // The segment is shared and not the runner's own.
            Device::Cpu => Some(self.memory_limit_bytes.saturating_add(layout.total() as u64)),
            Device::Cuda(_) => None,
        };
        Hello {
            runtime_library: self.runtime_library.to_string_lossy().into_owned(),
            slots: self.slots,
            room: self.room_bytes,
            memory_limit_bytes,
            workers: self.workers,
            detect_gpus: false,
            sessions: self.sessions(device),
        }
    }

    fn sessions(&self, device: Device) -> SessionSettings {
        SessionSettings {
            device,
            gpu_memory_limit_bytes: self.gpu_memory_limit_bytes,
            copies: self.sessions_per_model,
            intra_threads: self.intra_threads,
        }
    }
}

/// The call that loads a model.
pub(super) fn load_request(number: u32, slot: Option<Slot>, bytes: Bytes) -> Result<Request, RunnerError> {
    let mut request = Request::new(Operation::Load, number);
    request.json =
        Some(serde_json::to_vec(&LoadOptions { slot }).map_err(|error| RunnerError::BadInput(error.to_string()))?);
    request.attachment = Some(bytes);
    Ok(request)
}

/// Starts a runner only to see whether it can be isolated and which devices it finds.
async fn count_gpus(settings: &RunnerSettings) -> Result<u32, RunnerError> {
    let detect_gpus = settings.devices != DevicePolicy::Cpu;
    let hello = Hello { detect_gpus, memory_limit_bytes: None, slots: 1, workers: 1, ..settings.hello(Device::Cpu) };
    let (process, ready) = Launch::new(settings, hello, "none".to_owned()).start().await?;
    process.retire();
    process.ended().await;
    Ok(ready.gpus)
}

/// Gets a model's bytes and checks that they are the promised ones.
async fn fetch(source: &dyn ModelSource) -> Result<Bytes, RunnerError> {
    let bytes = source.fetch().await.map_err(|error| {
        tracing::warn!(error = error.to_string(), "a model could not be fetched");
        RunnerError::Fetch("its storage did not give it".to_owned())
    })?;
    let (kept, promised) = (bytes.clone(), source.sha256().to_owned());
    let matches = tokio::task::spawn_blocking(move || hash::sha256_hex(&kept) == promised).await.unwrap_or(false);
    if matches {
        Ok(bytes)
    } else {
        Err(RunnerError::Fetch("its storage gave other bytes than were stored".to_owned()))
    }
}

/// Inputs in the signature's order, with as many bytes as their shapes say.
fn in_order(facts: &ModelFacts, mut given: Vec<Tensor>) -> Result<Vec<Tensor>, RunnerError> {
    let mut inputs = Vec::with_capacity(given.len());
    for spec in &facts.signature.inputs {
        let found = given.iter().position(|tensor| tensor.name == spec.name);
        let found = found.ok_or_else(|| RunnerError::BadInput(format!("the input {:?} is missing", spec.name)))?;
        let tensor = given.swap_remove(found);
        let view = TensorView { element: tensor.element, dims: &tensor.dims, bytes: &tensor.data };
        view.check().map_err(|error| RunnerError::BadInput(format!("the input {:?}: {error}", spec.name)))?;
        inputs.push(tensor);
    }
    match given.first() {
        None => Ok(inputs),
        Some(more) => {
            Err(RunnerError::BadInput(format!("the model has no input {:?}, or it was given twice", more.name)))
        }
    }
}

/// Outputs with their names.
fn named(facts: &ModelFacts, parts: Vec<OwnedPart>) -> Result<Vec<Tensor>, RunnerError> {
    let specs = &facts.signature.outputs;
    if parts.len() != specs.len() {
        return Err(malformed());
    }
    let named = specs.iter().zip(parts).map(|(spec, part)| match part.kind {
        PartKind::Tensor(element) => {
            Ok(Tensor { name: spec.name.clone(), element, dims: part.dims, data: Bytes::from(part.bytes) })
        }
        PartKind::Json | PartKind::Media | PartKind::Words => Err(malformed()),
    });
    named.collect()
}

/// Ends runners that served nothing for a while, as long as the pool lives.
async fn end_idle_runners(pool: Weak<Inner>, timeout: Duration) {
    loop {
        tokio::time::sleep((timeout / 4).max(Duration::from_millis(10))).await;
        let Some(inner) = pool.upgrade() else { return };
        let mut groups = lock(&inner.groups);
        let is_idle = |group: &Arc<Group>| group.alive().is_some_and(|lease| lease.is_idle(timeout));
        let idle: Vec<_> =
            groups.extract_if(|_, group| is_idle(group)).filter_map(|(_, group)| group.alive()).collect();
        drop(groups);
        idle.iter().for_each(|lease| inner.models.clear_runner(lease));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
