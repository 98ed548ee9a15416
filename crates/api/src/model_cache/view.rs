//! The model cache as clients see it.

use ortolan_domain::{TenantSlug, Timestamp};
use ortolan_ml_client::{LoadedModel, ModelCacheInfo, RunnerInfo};
use serde::Serialize;
use utoipa::ToSchema;

/// What is loaded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ModelCache)]
pub struct ModelCacheView {
    /// `{tenant}_{type}_worker_{id}` of each loaded model.
    cached_models: Vec<String>,
    /// How many there are.
    model_count: usize,
    /// Each in detail.
    models: Vec<LoadedModelView>,
    /// The processes that hold them.
    runners: Vec<RunnerView>,
    /// Models that the cache's limits have unloaded since the start.
    evictions: u64,
    /// True when there is an accelerator.
    gpu_available: bool,
    /// How many.
    gpu_count: u32,
    /// Accelerator memory that is in use, in bytes; `null` when that cannot be measured.
    gpu_memory_allocated: Option<u64>,
    /// Accelerator memory that runners may take, in bytes; `null` when there is no limit.
    gpu_memory_reserved: Option<u64>,
    /// Always `null`: paths of the server are not told.
    local_model_dir: Option<String>,
}

/// A loaded model.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LoadedModel)]
struct LoadedModelView {
    /// `{tenant}_{type}_worker_{id}`.
    key: String,
    /// Whose.
    #[schema(value_type = String)]
    tenant: TenantSlug,
    /// What for.
    model_type: String,
    /// `cpu` or `cuda:{n}`.
    device: String,
    /// Always true: models are ONNX files.
    is_onnx: bool,
    /// SHA-256 of the file in hexadecimal.
    sha256: String,
    /// Size of the file.
    size_bytes: u64,
    /// By how much its process grew while it was loaded; `null` when that could not be measured.
    memory_bytes: Option<u64>,
    /// When it was loaded.
    #[schema(value_type = String, format = DateTime)]
    loaded_at: Timestamp,
}

/// A process that holds loaded models.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Runner)]
struct RunnerView {
    /// Whose; `null` for one that all share.
    #[schema(value_type = Option<String>)]
    tenant: Option<TenantSlug>,
    /// `cpu` or `cuda:{n}`.
    device: String,
    /// Its resident memory.
    resident_bytes: Option<u64>,
    /// How often this tenant's processes ended against our will.
    deaths: u64,
}

impl From<LoadedModel> for LoadedModelView {
    fn from(model: LoadedModel) -> Self {
        let LoadedModel { key, tenant, model, device, sha256, size_bytes, memory_bytes, loaded_at } = model;
        let model_type = model.to_string();
        Self { key, tenant, model_type, device, is_onnx: true, sha256, size_bytes, memory_bytes, loaded_at }
    }
}

impl From<RunnerInfo> for RunnerView {
    fn from(runner: RunnerInfo) -> Self {
        let RunnerInfo { tenant, device, resident_bytes, deaths } = runner;
        Self { tenant, device, resident_bytes, deaths }
    }
}

impl From<ModelCacheInfo> for ModelCacheView {
    fn from(info: ModelCacheInfo) -> Self {
        Self {
            cached_models: info.cached_models,
            model_count: info.model_count,
            models: info.models.into_iter().map(LoadedModelView::from).collect(),
            runners: info.runners.into_iter().map(RunnerView::from).collect(),
            evictions: info.evictions,
            gpu_available: info.gpu_available,
            gpu_count: info.gpu_count,
            gpu_memory_allocated: info.gpu_memory_allocated,
            gpu_memory_reserved: info.gpu_memory_reserved,
            local_model_dir: None,
        }
    }
}
