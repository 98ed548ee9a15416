use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ortolan_domain::model::ModelRef;
use serde::{Deserialize, Serialize};

use crate::config::{MaskedUrl, value};

/// The ML service and its runners.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlConfig {
    /// Where its internal HTTP listens.
    pub listen: SocketAddr,
    /// Where the other services find it.
    pub service_url: MaskedUrl,
    /// The smallest number that this ML service takes among its like: part of cache keys, and it picks the GPU.
    pub worker_id: u32,
    /// Inferences that run on a device at once.
    pub gpu_concurrency: usize,
    /// Pictures that are decoded and packed before it is their turn on the device.
    #[serde(with = "value::optional_count")]
    pub pictures_ahead: Option<u64>,
    /// Lets GPUs round to TF32.
    pub gpu_tf32: bool,
    /// Jobs in this process at once, running or waiting for their turn.
    pub max_jobs: usize,
    /// Refuses to start without a GPU.
    pub require_gpu: bool,
    /// Models that are loaded and tried at start.
    #[serde(with = "value::slots")]
    pub model_preload: Vec<ModelRef>,
    /// What a failure of one of them means.
    pub model_init: ModelInit,
    /// Path of the ONNX Runtime shared library.
    #[serde(with = "value::optional_text")]
    pub onnxruntime_path: Option<PathBuf>,
    /// Folder of downloaded model files; [`Config::model_cache_dir`](crate::Config::model_cache_dir) knows the default.
    #[serde(with = "value::optional_text")]
    pub model_cache_dir: Option<PathBuf>,
    /// How often the object behind a loaded slot is compared with storage.
    #[serde(rename = "model_revalidate_s", with = "value::optional_seconds")]
    pub model_revalidate: Option<Duration>,
    /// Most memory of loaded models, in MiB.
    #[serde(with = "value::optional_count")]
    pub model_cache_max_mb: Option<u64>,
    /// Most loaded models.
    #[serde(with = "value::optional_count")]
    pub model_cache_max_models: Option<u64>,
    /// How tenants' work is kept apart.
    pub isolation: Isolation,
    /// Most bytes of all inputs of an inference, and of all outputs, in MiB.
    pub max_tensor_mb: u64,
    /// Most rows of requests for one model that run together; 1 runs each by itself.
    pub batch_max_rows: u32,
    /// Most bytes of the inputs of such a run, in MiB.
    pub batch_max_mb: u64,
    /// The longest that a request waits for others while the device is free.
    #[serde(rename = "batch_max_wait_ms", with = "value::milliseconds")]
    pub batch_max_wait: Duration,
    /// Goes on when the kernel lacks landlock or seccomp.
    pub allow_degraded_sandbox: bool,
    /// Most memory of one runner, in MiB.
    pub runner_memory_mb: u64,
    /// How long a cancelled inference may go on before its runner is killed.
    #[serde(rename = "cancel_grace_ms", with = "value::milliseconds")]
    pub cancel_grace: Duration,
    /// How long a synchronous prediction may take.
    #[serde(rename = "inference_timeout_s", with = "value::seconds")]
    pub inference_timeout: Duration,
    /// How long the other services wait for an answer of the ML service.
    #[serde(rename = "client_timeout_s", with = "value::seconds")]
    pub client_timeout: Duration,
    /// Answers `/infer/...` on the internal HTTP.
    pub infer_endpoints: bool,
    /// Answers predictions with a job instead of waiting.
    pub background_inference: bool,
}

/// What a model that fails at start means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelInit {
    /// The service does not start.
    Strict,
    /// The service starts and its health is degraded.
    Lenient,
}

/// How tenants' work is kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// One sandboxed process per tenant.
    Tenant,
    /// One sandboxed process for all.
    Shared,
    /// No process.
    None,
}
