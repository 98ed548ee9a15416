//! All runners and all loaded models of this process.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use ortolan_domain::media::MediaFacts;
use ortolan_domain::{Clock, Slot, TenantSlug, hash};
use ortolan_engine::Device;
use ortolan_service::telemetry::metrics;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::answer::{ModelFacts, ModelReport, VisionAnswer, VisionRequest};
use crate::error::RunnerError;
use crate::settings::{DevicePolicy, RunnerSettings};
use crate::supervisor::context::{Bounds, CallContext};
use crate::supervisor::deaths::DeathCount;
use crate::supervisor::doubt::is_sound;
use crate::supervisor::groups::Groups;
use crate::supervisor::host::{Request, malformed};
use crate::supervisor::info::CacheInfo;
use crate::supervisor::loaded::Loaded;
use crate::supervisor::models::{CacheLimits, LoadOutcome, LoadedModel, Lookup, NEVER_RAN, outcome_of};
use crate::supervisor::source::{ModelKey, ModelSource};
use crate::supervisor::spawn::Launch;
use crate::supervisor::validate;
use crate::wire::message::OwnedPart;
use crate::wire::protocol::{Hello, LoadOptions, Operation, json_of};

/// All runners and all loaded models of this process. Clones share them.
///
/// A runner starts with the first call that needs it and again with the first call after its death.
#[derive(Debug, Clone)]
pub struct RunnerPool {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) settings: RunnerSettings,
    clock: Arc<dyn Clock>,
    gpus: u32,
    pub(super) groups: Groups,
    pub(super) validations: Semaphore,
    /// Numbers of models, held pictures and kept files.
    pub(super) next_model: AtomicU32,
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
        let limits = CacheLimits { models: settings.cache_max_models, bytes: settings.cache_max_bytes };
        let inner = Arc::new(Inner {
            validations: Semaphore::new(settings.validation.concurrency.max(1)),
            settings,
            clock,
            gpus,
            groups: Groups::new(limits),
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
        let model = self.inner.model(key.clone(), source, &context.bounds()).await?;
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
        let model = self.inner.model(key.clone(), source, &context.bounds()).await?;
        let mut call = Request::new(Operation::Vision, model.number);
        call.json = Some(serde_json::to_vec(&request).map_err(|error| RunnerError::BadInput(error.to_string()))?);
        call.media = Some(media);
        let parts = self.inner.call(&model, call, context).await?;
        let answer = json_of(&parts).filter(is_sound).ok_or_else(malformed)?;
        Ok((answer, Arc::clone(&model.facts)))
    }

    /// The loaded model; loads it first unless it is loaded.
    pub async fn load(
        &self,
        key: &ModelKey,
        source: Arc<dyn ModelSource>,
        context: &CallContext,
    ) -> Result<Loaded, RunnerError> {
        self.inner.model(key.clone(), source, &context.bounds()).await.map(Loaded::new)
    }

    /// Lets the tenant's runner say what media are.
    pub async fn probe_media(
        &self,
        tenant: &TenantSlug,
        media: Bytes,
        context: CallContext,
    ) -> Result<MediaFacts, RunnerError> {
        self.inner.check_media(&media)?;
        let lease =
            context.bounds().limit(self.inner.groups.lease(&self.inner.settings, tenant, self.device(0))).await??;
        let mut call = Request::new(Operation::Probe, 0);
        call.media = Some(media);
        let parts = lease.host().call(call, context).await?;
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
        CacheInfo {
            models: self.inner.groups.models.list(),
            runners: self.inner.groups.list(),
            gpu_count: self.inner.gpus,
            evictions: self.inner.groups.models.evictions(),
        }
    }

    /// Forgets a tenant's loaded models, or everyone's, and ends their runners once they are idle; says how many models.
    pub fn clear(&self, tenant: Option<&TenantSlug>) -> usize {
        let removed = self.inner.groups.models.clear(tenant);
        self.inner.groups.let_go(tenant);
        tracing::info!(models_removed = removed, tenant_id = tenant.map(TenantSlug::as_str), "cleared the model cache");
        removed
    }

    /// Unloads models until the cache keeps to its limits again, which those in use may have prevented.
    pub fn trim_cache(&self) {
        self.inner.groups.models.trim();
    }

    /// Forgets one loaded model; says whether it was loaded.
    pub fn unload(&self, key: &ModelKey) -> bool {
        self.inner.groups.models.unload(key)
    }

    /// Counts of runners that died, by tenant and cause.
    pub fn deaths(&self) -> Vec<DeathCount> {
        self.inner.groups.deaths.list()
    }

    /// Ends all runners; calls under way fail as killed.
    pub async fn shutdown(&self) {
        self.inner.groups.end_all().await;
        self.inner.groups.models.clear(None);
    }
}

impl Inner {
    fn device(&self, worker_id: u32) -> Device {
        match self.gpus {
            0 => Device::Cpu,
            gpus => Device::Cuda(worker_id % gpus),
        }
    }

    pub(super) fn check_media(&self, media: &Bytes) -> Result<(), RunnerError> {
        let most = self.settings.media_limit_bytes;
        if media.len() <= most {
            return Ok(());
        }
        Err(RunnerError::TooLarge(format!("media may have at most {most} bytes")))
    }

    pub(super) async fn call(
        &self,
        model: &LoadedModel,
        request: Request,
        context: CallContext,
    ) -> Result<Vec<OwnedPart>, RunnerError> {
        model.lease.host().call(request, context).await
    }

    /// The loaded model, waiting for whoever loads it.
    pub(super) async fn model(
        self: &Arc<Self>,
        key: ModelKey,
        source: Arc<dyn ModelSource>,
        bounds: &Bounds,
    ) -> LoadOutcome {
        bounds.check()?;
        let pending = match self.groups.models.look_up(&key, source.sha256()) {
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

    async fn load(self: &Arc<Self>, key: &ModelKey, source: &dyn ModelSource) -> LoadOutcome {
        let began = Instant::now();
        let bytes = fetch(source).await?;
        let device = self.device(key.worker_id);
        let lease = self.groups.lease(&self.settings, key.tenant(), device).await?;
        let number = self.next_model.fetch_add(1, Ordering::Relaxed);
        let size_bytes = bytes.len() as u64;
        let request = load_request(number, &LoadOptions::of(key.slot()), bytes)?;
        let context = CallContext::default().with_deadline(Instant::now() + self.settings.load_timeout);
        let before = lease.resident_bytes();
        let loaded = lease.host().call(request, context).await;
        let facts: Result<ModelFacts, _> = loaded.and_then(|parts| json_of(&parts).ok_or_else(malformed));
        // A load that was given up may have come to its end all the same.
        let facts = facts.inspect_err(|_| lease.unload(number))?;
        metrics::ml_model_loaded(began.elapsed());
        tracing::info!(
            tenant_id = %key.tenant(),
            model_type = %key.model.name,
            worker_id = key.worker_id,
            cache_key = %key,
            %device,
            duration_ms = began.elapsed().as_millis() as u64,
            "Model loaded and cached"
        );
        let grown = lease.resident_bytes().saturating_sub(before);
        Ok(Arc::new(LoadedModel {
            lease,
            number,
            facts: Arc::new(facts),
            sha256: source.sha256().to_owned(),
            size_bytes,
            device,
            loaded_at: self.clock.now(),
            memory_bytes: Some(grown).filter(|grown| *grown > 0),
            last_used: AtomicU64::new(0),
            last_run_us: AtomicU64::new(NEVER_RAN),
        }))
    }
}

/// The call that loads a model.
pub(super) fn load_request(number: u32, options: &LoadOptions, bytes: Bytes) -> Result<Request, RunnerError> {
    let mut request = Request::new(Operation::Load, number);
    let json = serde_json::to_vec(options).map_err(|error| RunnerError::BadInput(error.to_string()))?;
    request.json = Some(json);
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

/// Ends runners that served nothing for a while, as long as the pool lives.
async fn end_idle_runners(pool: Weak<Inner>, timeout: Duration) {
    loop {
        tokio::time::sleep((timeout / 4).max(Duration::from_millis(10))).await;
        let Some(inner) = pool.upgrade() else { return };
        let idle = inner.groups.let_go_of_idle(timeout);
        idle.iter().for_each(|lease| inner.groups.models.clear_runner(lease));
    }
}
