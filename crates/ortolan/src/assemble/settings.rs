//! The parts' settings out of the one configuration.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ortolan_api::{ApiSettings, Rates};
use ortolan_domain::Clock;
use ortolan_ml_service::{BatchPolicy, MlServiceSettings};
use ortolan_reconciler::ReconcilerSettings;
use ortolan_results::{Cache, RedisSettings};
use ortolan_runner::{DevicePolicy, Isolation, RunnerSettings};
use ortolan_service::config::{self, Config, ConfigError, MaskedUrl};
use ortolan_store::DispatchLimits;
use ortolan_worker::{Backoff, WorkerSettings};

use super::runtime;

/// Time between two quick passes of the reconciler, as a share of the lease.
const QUICK_PASSES_PER_LEASE: u32 = 3;
/// A delivery that has not been claimed for so long is given up.
const UNDELIVERED_AFTER: Duration = Duration::from_secs(60);
/// A delivery that has not been claimed for so long is looked for in the broker.
const LOST_AFTER: Duration = Duration::from_secs(5);

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
        ..RunnerSettings::new(runtime_library)
    }
}

/// Most bytes of the inputs or of the outputs of one inference.
pub fn tensor_bytes(config: &Config) -> usize {
    usize::try_from(config.ml.max_tensor_mb << 20).unwrap_or(usize::MAX)
}

fn isolation(config: &Config) -> &'static str {
    match config.ml.isolation {
        config::Isolation::Tenant => "tenant",
        config::Isolation::Shared => "shared",
        config::Isolation::None => "none",
    }
}

/// Settings of the ML service.
pub fn ml_service(config: &Config, runtime_library: &std::path::Path) -> MlServiceSettings {
    MlServiceSettings {
        worker_id: config.ml.worker_id,
        concurrency: config.ml.gpu_concurrency,
        most_jobs: config.ml.max_jobs,
        max_media_bytes: config.server.max_media_bytes,
        max_model_bytes: config.server.max_model_bytes,
        revalidate_models: config.ml.model_revalidate,
        drain: config.server.drain_timeout,
        question_timeout: config.ml.inference_timeout,
        batching: BatchPolicy {
            max_rows: config.ml.batch_max_rows as usize,
            max_bytes: usize::try_from(config.ml.batch_max_mb.min(config.ml.max_tensor_mb) << 20).unwrap_or(usize::MAX),
            max_wait: config.ml.batch_max_wait,
        },
        models_folder: Some(config.model_cache_dir()),
        isolation: isolation(config).to_owned(),
        runtime_version: runtime::version(runtime_library),
    }
}

/// Settings of a worker; the `only_one` takes from every queue in mode `auto`.
pub fn worker(config: &Config, has_gpu: bool, only_one: bool) -> WorkerSettings {
    let worker = &config.worker;
    WorkerSettings {
        queues: worker.gpu_mode.queues(has_gpu, only_one).to_vec(),
        concurrency: worker.concurrency,
        lease: worker.lease,
        job_timeout: worker.job_timeout,
        soft_limit: worker.soft_limit,
        hard_limit: worker.hard_limit,
        max_tries: i32::try_from(worker.max_tries).unwrap_or(i32::MAX),
        backoff: Backoff { base: worker.retry_base, cap: worker.retry_cap },
        drain: config.server.drain_timeout,
    }
}

/// How much may be on its way.
pub fn dispatch(config: &Config) -> DispatchLimits {
    DispatchLimits { window: config.dispatch.window, per_tenant: config.dispatch.per_tenant }
}

/// Crashes after which a task is poison.
pub fn max_crashes(config: &Config) -> i32 {
    i32::try_from(config.worker.max_crashes).unwrap_or(i32::MAX)
}

/// Settings of the reconciler.
pub fn reconciler(config: &Config) -> ReconcilerSettings {
    ReconcilerSettings {
        interval: config.reconcile.interval,
        quick_interval: config.worker.lease / QUICK_PASSES_PER_LEASE,
        undelivered_after: UNDELIVERED_AFTER,
        lost_after: LOST_AFTER,
        long_running_after: config.reconcile.long_running,
        retention: config.retention.jobs,
        max_crashes: max_crashes(config),
    }
}

/// How Redis is used for results, signals and caches.
pub fn redis(config: &Config, url: &MaskedUrl) -> RedisSettings {
    RedisSettings {
        answer_limit: config.redis.timeout,
        connections: config.redis.max_connections as usize,
        cache_prefix: config.cache.key_prefix.clone(),
        ..RedisSettings::at(url.expose())
    }
}

/// Where requests are counted: beside the cache, unless each process is to count for itself.
pub fn counters(config: &Config, cache: &Cache, clock: &Arc<dyn Clock>) -> Cache {
    match config.rate_limit.store {
        config::RateLimitStore::Memory => Cache::in_process(clock.clone()),
        config::RateLimitStore::Auto | config::RateLimitStore::Redis => cache.clone(),
    }
}

/// Settings of the API.
pub fn api(config: &Config) -> Result<ApiSettings, ConfigError> {
    let server = &config.server;
    Ok(ApiSettings {
        cors_origins: server.cors_origins.clone(),
        no_auth: server.no_auth.then(|| server.no_auth_tenant.clone()),
        max_json_bytes: server.max_json_bytes,
        max_media_bytes: server.max_media_bytes,
        max_model_bytes: server.max_model_bytes,
        process_wait: server.process_timeout,
        ingress_header: server
            .ingress_header
            .clone()
            .filter(|_| config.environment != config::Environment::Development),
        expose_tracebacks: match server.expose_tracebacks {
            config::Tracebacks::Auto => config.environment == config::Environment::Development,
            config::Tracebacks::On => true,
            config::Tracebacks::Off => false,
        },
        open_tasks_per_tenant: config.limits.open_tasks_per_tenant,
        model_cache_ttl: config.cache.model_ttl,
        model_list_cache_ttl: config.cache.model_list_ttl,
        cache_ttl: config.cache.ttl,
        idempotency_ttl: config.retention.idempotency,
        inference_timeout: config.ml.inference_timeout,
        background_inference: config.ml.background_inference,
        prediction_cache: config.cache.prediction_enabled.then_some(config.cache.prediction_ttl),
        max_tensor_bytes: tensor_bytes(config).saturating_add(server.max_json_bytes),
        rates: Rates { requests: config.rate_limit.default, predictions: config.rate_limit.predictions },
        confidence: config.confidence.into(),
        routes: config.route_table()?,
        ..ApiSettings::default()
    })
}
