//! All runners and all loaded models of this process.

use std::sync::Arc;

use bytes::Bytes;
use ortolan_domain::{Clock, Slot, TenantSlug, Timestamp, media::MediaFacts};
use ortolan_engine::Device;
use serde::Serialize;

use crate::answer::{ModelFacts, ModelReport, VisionAnswer, VisionRequest};
use crate::error::RunnerError;
use crate::settings::RunnerSettings;
use crate::supervisor::{CallContext, ModelKey, ModelSource};

/// All runners and all loaded models of this process. Clones share them.
#[derive(Clone)]
pub struct RunnerPool {
    _inner: Arc<()>,
}

/// What is loaded, and in which runners.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CacheInfo {
    /// The loaded models by key.
    pub models: Vec<CachedModel>,
    /// The runners that are alive.
    pub runners: Vec<RunnerInfo>,
    /// How many GPUs are used.
    pub gpu_count: u32,
}

/// A loaded model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CachedModel {
    /// Its key, for instance `tenant-001_detect_worker_0`.
    pub key: String,
    /// Whose it is.
    pub tenant: TenantSlug,
    /// Where it runs.
    pub device: String,
    /// SHA-256 of its file.
    pub sha256: String,
    /// Size of its file.
    pub size_bytes: u64,
    /// Since when.
    pub loaded_at: Timestamp,
    /// What it is.
    pub facts: Arc<ModelFacts>,
}

/// A runner that is alive.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunnerInfo {
    /// Whose it is; absent when tenants share it.
    pub tenant: Option<TenantSlug>,
    /// Where it runs.
    pub device: String,
    /// Its process; absent when it is this one.
    pub pid: Option<i32>,
    /// Its resident memory.
    pub rss_bytes: u64,
    /// Calls under way.
    pub calls: usize,
}

/// How many runners of a tenant died of one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeathCount {
    /// Whose runners; absent when tenants share them.
    pub tenant: Option<TenantSlug>,
    /// Of what.
    pub cause: DeathCause,
    /// How many since the start.
    pub count: u64,
}

/// What a runner died of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeathCause {
    /// A signal of its own making.
    Crashed,
    /// It ended by itself.
    Exited,
    /// It could not get memory.
    OutOfMemory,
    /// It did not stop when told to, and was killed.
    Hung,
    /// It broke the protocol, and was killed.
    Misbehaved,
}

impl RunnerPool {
    /// Checks settings, sandbox and devices with a first runner, and starts an empty pool.
    pub async fn start(settings: RunnerSettings, clock: Arc<dyn Clock>) -> Result<Self, RunnerError> {
        let _ = (settings, clock);
        todo!()
    }

    /// How many GPUs are used; 0 means the processor.
    pub fn gpu_count(&self) -> u32 {
        todo!()
    }

    /// The device for a worker: `cuda:{worker_id % gpu_count}`, or the processor.
    pub fn device(&self, worker_id: u32) -> Device {
        let _ = worker_id;
        todo!()
    }

    /// Loads a model unless it is loaded.
    pub async fn preload(
        &self,
        key: &ModelKey,
        source: Arc<dyn ModelSource>,
        context: CallContext,
    ) -> Result<Arc<ModelFacts>, RunnerError> {
        let _ = (key, source, context);
        todo!()
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
        let _ = (key, source, request, media, context);
        todo!()
    }

    /// Lets the tenant's runner say what media are.
    pub async fn probe_media(&self, tenant: &TenantSlug, media: Bytes, context: CallContext) -> Result<MediaFacts, RunnerError> {
        let _ = (tenant, media, context);
        todo!()
    }

    /// Tries an uploaded model in a runner of its own that is thrown away; for a slot it must also fit there and run.
    pub async fn validate_model(&self, model: Bytes, slot: Option<Slot>, context: CallContext) -> Result<ModelReport, RunnerError> {
        let _ = (model, slot, context);
        todo!()
    }

    /// What is loaded, and in which runners.
    pub fn cache_info(&self) -> CacheInfo {
        todo!()
    }

    /// Forgets a tenant's loaded models, or everyone's, and ends their runners once they are idle; says how many models.
    pub fn clear(&self, tenant: Option<&TenantSlug>) -> usize {
        let _ = tenant;
        todo!()
    }

    /// Counts of runners that died, by tenant and cause.
    pub fn deaths(&self) -> Vec<DeathCount> {
        todo!()
    }

    /// Ends all runners; calls under way fail as killed.
    pub async fn shutdown(&self) {
        todo!()
    }
}
