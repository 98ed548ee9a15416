//! Short questions, answered in process.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use async_trait::async_trait;
use bytes::Bytes;
use ortolan_blobs::{BlobError, ObjectPath};
use ortolan_domain::job::MlError;
use ortolan_domain::media::MediaFacts;
use ortolan_domain::model::ModelRef;
use ortolan_domain::{ErrorCode, TenantSlug};
use ortolan_engine::GpuFacts;
use ortolan_ml_client::{
    AnnotatePicture, CheckModel, DeviceHealth, InferAnswer, InferRequest, Inference, LoadedModel, MlHealth,
    MlHealthStatus, ModelCacheInfo, ModelReport, ModelSignature, ModelStats, ProbeMedia, RunnerInfo,
};
use ortolan_runner::{CacheInfo, CallContext, Device};
use tokio::time::Instant;

use crate::convert;
use crate::service::MlService;

#[async_trait]
impl Inference for MlService {
    async fn probe_media(&self, request: ProbeMedia) -> Result<MediaFacts, MlError> {
        let media = self.fetch(&object(&request.object_path)?).await?;
        let facts = self.0.pool.probe_media(&request.tenant, media, self.question()).await;
        facts.map_err(|error| convert::error(&error))
    }

    async fn annotate_picture(&self, request: AnnotatePicture) -> Result<Bytes, MlError> {
        self.annotated(request).await
    }

    async fn check_model(&self, request: CheckModel) -> Result<ModelReport, MlError> {
        let path = object(&request.object_path)?;
        let file = self.0.blobs.get_limited(&path, self.0.settings.max_model_bytes).await;
        let file = file.map_err(|error| match error {
            BlobError::NotFound(_) => MlError::new(ErrorCode::NotFound, "there is no such file"),
            BlobError::TooLarge { .. } => MlError::new(ErrorCode::TooLarge, "the file is larger than a model may be"),
            other => {
                tracing::warn!(error = &other as &dyn std::error::Error, "model could not be fetched");
                MlError::new(ErrorCode::Unavailable, "the file could not be fetched from the object store")
            }
        })?;
        let report = self.0.pool.validate_model(file, request.slot, CallContext::default()).await;
        let report = report.map_err(|error| convert::error(&error))?;
        Ok(report_of(report, self.providers()))
    }

    async fn forget_model(&self, model: ModelRef) -> Result<(), MlError> {
        self.0.catalog.forget(&model);
        Ok(())
    }

    async fn infer(&self, request: InferRequest) -> Result<InferAnswer, MlError> {
        self.run_tensors(request).await
    }

    async fn describe_model(&self, model: ModelRef, sha256: Option<String>) -> Result<ModelSignature, MlError> {
        self.signature(model, sha256.as_deref()).await
    }

    async fn load_model(&self, model: ModelRef, sha256: Option<String>) -> Result<(), MlError> {
        self.signature(model, sha256.as_deref()).await.map(drop)
    }

    async fn unload_model(&self, model: ModelRef) -> Result<bool, MlError> {
        self.0.catalog.forget(&model);
        Ok(self.0.pool.unload(&self.key(model)))
    }

    async fn model_stats(&self, tenant: Option<TenantSlug>) -> Result<Vec<ModelStats>, MlError> {
        Ok(self.0.stats.list(tenant.as_ref()))
    }

    async fn model_cache(&self, tenant: Option<TenantSlug>) -> Result<ModelCacheInfo, MlError> {
        let deaths = self.0.pool.deaths();
        let died =
            |of: &Option<TenantSlug>| deaths.iter().filter(|death| death.tenant == *of).map(|death| death.count).sum();
        let CacheInfo { models, runners, gpu_count, evictions } = self.0.pool.cache_info();
        let mine = |of: Option<&TenantSlug>| tenant.is_none() || of == tenant.as_ref();
        let models: Vec<_> = models.into_iter().filter(|model| mine(Some(&model.tenant))).map(loaded).collect();
        let runners = runners.into_iter().filter(|runner| mine(runner.tenant.as_ref()));
        let runners = runners.map(|runner| RunnerInfo {
            deaths: died(&runner.tenant),
            tenant: runner.tenant,
            device: runner.device,
            resident_bytes: Some(runner.rss_bytes),
        });
        let sessions = models.len() as u64;
        Ok(ModelCacheInfo {
            cached_models: models.iter().map(|model| model.key.clone()).collect(),
            model_count: models.len(),
            models,
            runners: runners.collect(),
            evictions,
            gpu_available: gpu_count > 0,
            gpu_count,
            gpu_memory_allocated: self.own_gpu().map(|gpu| gpu.memory_used_bytes),
            gpu_memory_reserved: self.reserved_bytes(gpu_count, sessions),
        })
    }

    async fn clear_model_cache(&self, tenant: Option<TenantSlug>) -> Result<usize, MlError> {
        self.0.catalog.forget_all(tenant.as_ref());
        let models_removed = self.0.pool.clear(tenant.as_ref());
        tracing::info!(models_removed, tenant_id = tenant.as_ref().map(TenantSlug::as_str), "model cache cleared");
        Ok(models_removed)
    }

    async fn health(&self) -> Result<MlHealth, MlError> {
        let cache = self.0.pool.cache_info();
        let failed = self.0.preload_failures.lock().unwrap_or_else(PoisonError::into_inner);
        let models_failed: BTreeMap<_, _> = failed.iter().map(|(key, reason)| (key.clone(), reason.clone())).collect();
        let runners_resident_bytes = cache.runners.iter().map(|runner| runner.rss_bytes).sum();
        let models_loaded: Vec<_> = cache.models.into_iter().map(|model| model.key).collect();
        let status = match (models_failed.is_empty(), models_loaded.is_empty()) {
            (true, _) => MlHealthStatus::Healthy,
            (false, false) => MlHealthStatus::Degraded,
            (false, true) => MlHealthStatus::Unhealthy,
        };
        let gate = self.0.gate.facts();
        let device = self.0.pool.device(self.0.number.get()).to_string();
        let (gpu_available, gpu) = (cache.gpu_count > 0, self.own_gpu());
        Ok(MlHealth {
            status,
            models_loaded,
            models_failed,
            gpu_available,
            gpu_device_name: gpu_available.then(|| gpu.as_ref().map_or_else(|| device.clone(), |gpu| gpu.name.clone())),
            gpu_memory_total_mb: gpu.as_ref().map(|gpu| gpu.memory_total_bytes >> 20),
            gpu_memory_used_mb: gpu.as_ref().map(|gpu| gpu.memory_used_bytes >> 20),
            runners_resident_bytes,
            devices: vec![DeviceHealth {
                name: device,
                permits: gate.permits,
                running: gate.running,
                waiting: gate.waiting,
            }],
            isolation: self.0.settings.isolation.clone(),
            runtime_version: self.0.settings.runtime_version.clone(),
        })
    }
}

impl MlService {
    /// The GPU that this service's models run on, as it was a moment ago; none where they run on the processor.
    fn own_gpu(&self) -> Option<GpuFacts> {
        match self.0.pool.device(self.0.number.get()) {
            Device::Cuda(index) => self.0.gpus.now().get(index as usize).cloned(),
            Device::Cpu => None,
        }
    }

    /// What the sessions may take of the GPUs; `None` on the processor.
    fn reserved_bytes(&self, gpu_count: u32, sessions: u64) -> Option<u64> {
        let most = self.own_gpu().map_or(u64::MAX, |gpu| gpu.memory_total_bytes);
        (gpu_count > 0).then(|| sessions.saturating_mul(self.0.settings.gpu_memory_limit_bytes).min(most))
    }

    /// What runs models here, the preferred first.
    fn providers(&self) -> Vec<String> {
        let gpu = (self.0.pool.cache_info().gpu_count > 0).then_some("CUDAExecutionProvider");
        gpu.into_iter().chain(["CPUExecutionProvider"]).map(str::to_owned).collect()
    }

    pub(crate) fn question(&self) -> CallContext {
        CallContext::default().with_deadline(Instant::now() + self.0.settings.question_timeout)
    }
}

fn object(path: &str) -> Result<ObjectPath, MlError> {
    ObjectPath::parse(path)
        .map_err(|_| MlError::new(ErrorCode::Invalid, "object_path is not a path of the object store"))
}

/// A loaded model as the contract shows it.
fn loaded(model: ortolan_runner::CachedModel) -> LoadedModel {
    LoadedModel {
        model: model.model,
        key: model.key,
        tenant: model.tenant,
        device: model.device,
        sha256: model.sha256,
        size_bytes: model.size_bytes,
        memory_bytes: model.memory_bytes,
        loaded_at: model.loaded_at,
    }
}

fn report_of(report: ortolan_runner::ModelReport, providers: Vec<String>) -> ModelReport {
    let facts = report.facts;
    let (inputs, outputs) = convert::specs(&facts.signature);
    ModelReport {
        sha256: report.sha256,
        size_bytes: report.size_bytes,
        inputs,
        outputs,
        words: report.words,
        providers,
        metadata: facts.metadata,
        vision_task: facts.profile.map(|profile| profile.task),
        trial_run_ms: report.trial.map(|trial| trial.run_ms),
        trial_failure: report.trial_failure,
        memory_bytes: Some(report.memory_bytes),
    }
}
