//! The ML service's settings out of the one configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ortolan_assembly::settings::tensor_bytes;
use ortolan_runner::{DevicePolicy, Isolation, RunnerSettings};
use ortolan_service::config::{self, Config};

use super::runtime;
use crate::{BatchPolicy, MlServiceSettings};

/// Settings of the runners.
pub fn runners(config: &Config, runtime_library: PathBuf) -> RunnerSettings {
    let ml = &config.ml;
    RunnerSettings {
        isolation: match ml.isolation {
            config::Isolation::Tenant => Isolation::Tenant,
            config::Isolation::Shared => Isolation::Shared,
            config::Isolation::None => Isolation::None,
        },
        allow_degraded_sandbox: ml.allow_degraded_sandbox,
        devices: if ml.require_gpu { DevicePolicy::Gpu } else { DevicePolicy::Auto },
        memory_limit_bytes: ml.runner_memory_mb << 20,
        gpu_memory_limit_bytes: ml.runner_memory_mb << 20,
        grace: ml.cancel_grace,
        picture_limit_px: config.limits.max_image_px,
        media_limit_bytes: usize::try_from(config.server.max_media_bytes).unwrap_or(usize::MAX),
        cache_max_models: ml.model_cache_max_models.map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
        cache_max_bytes: ml.model_cache_max_mb.map(|most| most << 20),
        room_bytes: tensor_bytes(config),
        sessions_per_model: ml.gpu_concurrency,
        workers: ml.gpu_concurrency + 2,
        pictures_ahead: ml.pictures_ahead.map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
        gpu_tf32: ml.gpu_tf32,
        ..RunnerSettings::new(runtime_library)
    }
}

/// Settings of the ML service, which waits so long for the jobs under way when it stops.
pub fn ml_service(config: &Config, runtime_library: &Path, drain: Duration) -> MlServiceSettings {
    MlServiceSettings {
        concurrency: config.ml.gpu_concurrency,
        most_jobs: config.ml.max_jobs,
        max_media_bytes: config.server.max_media_bytes,
        max_model_bytes: config.server.max_model_bytes,
        revalidate_models: config.ml.model_revalidate,
        drain,
        question_timeout: config.ml.inference_timeout,
        batching: BatchPolicy {
            max_rows: config.ml.batch_max_rows as usize,
            max_bytes: usize::try_from(config.ml.batch_max_mb.min(config.ml.max_tensor_mb) << 20).unwrap_or(usize::MAX),
            max_wait: config.ml.batch_max_wait,
        },
        models_folder: Some(config.model_cache_dir()),
        isolation: isolation(config).to_owned(),
        runtime_version: runtime::version(runtime_library),
        gpu_memory_limit_bytes: config.ml.runner_memory_mb << 20,
    }
}

fn isolation(config: &Config) -> &'static str {
    match config.ml.isolation {
        config::Isolation::Tenant => "tenant",
        config::Isolation::Shared => "shared",
        config::Isolation::None => "none",
    }
}
