//! The plain names of settings: one table of variable, setting, and how its value is read.

/// How the value of a variable becomes a setting's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conversion {
    /// As it is written.
    Same,
    /// A number of MiB becomes bytes.
    Mebibytes,
    /// A level as other loggers spell it, in any case.
    LogLevel,
    /// `true` is this word, `false` that one.
    Switch(&'static str, &'static str),
    /// An address: `memory://` is "memory", a Redis address "redis".
    RateStore,
    /// When the variable is set at all, the setting becomes this word, unless something else sets it.
    Implies(&'static str),
}

/// A plain name of a setting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Alias {
    /// The variable.
    pub(crate) name: &'static str,
    /// The setting's dotted path.
    pub(crate) path: &'static str,
    /// How its value is read.
    pub(crate) conversion: Conversion,
}

const fn same(name: &'static str, path: &'static str) -> Alias {
    Alias { name, path, conversion: Conversion::Same }
}

const fn converted(name: &'static str, path: &'static str, conversion: Conversion) -> Alias {
    Alias { name, path, conversion }
}

/// All plain names. Where two of them mean one setting, the upper one is used.
pub(crate) const ALIASES: &[Alias] = &[
    same("ENVIRONMENT", "environment"),
    same("CORS_ORIGINS", "server.cors_origins"),
    converted("EXPOSE_TRACEBACKS", "server.expose_tracebacks", Conversion::Switch("on", "off")),
    converted("MAX_MODEL_SIZE_MB", "server.max_model_bytes", Conversion::Mebibytes),
    same("DATABASE_URL", "database.url"),
    same("REDIS_URL", "redis.url"),
    same("REDIS_ENABLED", "redis.enabled"),
    same("REDIS_MAX_CONNECTIONS", "redis.max_connections"),
    converted("USE_LOCAL_STORAGE", "storage.kind", Conversion::Switch("local", "gcs")),
    same("LOCAL_STORAGE_ROOT", "storage.root"),
    same("MODEL_STORAGE_PATH", "storage.root"),
    same("GCS_BUCKET", "storage.bucket"),
    converted("GCS_BUCKET", "storage.kind", Conversion::Implies("gcs")),
    same("S3_BUCKET", "storage.bucket"),
    converted("S3_BUCKET", "storage.kind", Conversion::Implies("s3")),
    same("AWS_REGION", "storage.s3_region"),
    same("AWS_DEFAULT_REGION", "storage.s3_region"),
    same("AWS_ENDPOINT_URL_S3", "storage.s3_endpoint"),
    same("AWS_ENDPOINT_URL", "storage.s3_endpoint"),
    same("AWS_ACCESS_KEY_ID", "storage.s3_access_key_id"),
    same("AWS_SECRET_ACCESS_KEY", "storage.s3_secret_access_key"),
    same("AWS_SESSION_TOKEN", "storage.s3_session_token"),
    same("GOOGLE_APPLICATION_CREDENTIALS", "storage.gcs_service_account_file"),
    same("GPU_MODE", "worker.gpu_mode"),
    same("WORKER_CONCURRENCY", "worker.concurrency"),
    same("ARQ_MAX_JOBS", "worker.concurrency"),
    same("ARQ_JOB_TIMEOUT", "worker.job_timeout_s"),
    same("JOB_MAX_RETRIES", "worker.max_tries"),
    same("TASK_SOFT_TIME_LIMIT", "worker.soft_limit_s"),
    same("TASK_TIME_LIMIT", "worker.hard_limit_s"),
    same("ML_SERVICE_URL", "ml.service_url"),
    same("GPU_CONCURRENCY", "ml.gpu_concurrency"),
    same("REQUIRE_GPU", "ml.require_gpu"),
    same("MODEL_PRELOAD", "ml.model_preload"),
    same("MODEL_INIT", "ml.model_init"),
    same("ORT_DYLIB_PATH", "ml.onnxruntime_path"),
    same("MODEL_CACHE_DIR", "ml.model_cache_dir"),
    same("MODEL_REVALIDATE_SECONDS", "ml.model_revalidate_s"),
    same("MODEL_CACHE_MAX_MB", "ml.model_cache_max_mb"),
    same("MODEL_CACHE_MAX_MODELS", "ml.model_cache_max_models"),
    same("INFERENCE_TIMEOUT_SECONDS", "ml.inference_timeout_s"),
    same("USE_BACKGROUND_INFERENCE", "ml.background_inference"),
    same("CONFIDENCE_THRESHOLD", "confidence.detect"),
    same("CACHE_KEY_PREFIX", "cache.key_prefix"),
    same("CACHE_TTL", "cache.ttl_s"),
    same("CACHE_MODEL_TTL", "cache.model_ttl_s"),
    same("CACHE_MODEL_LIST_TTL", "cache.model_list_ttl_s"),
    same("CACHE_PREDICTION_ENABLED", "cache.prediction_enabled"),
    same("CACHE_PREDICTION_TTL", "cache.prediction_ttl_s"),
    same("CACHE_TTL_SECONDS", "cache.prediction_ttl_s"),
    same("RESULT_EXPIRES", "results.done_ttl_s"),
    same("JOB_RETENTION_DAYS", "retention.job_retention_days"),
    same("RATE_LIMIT_DEFAULT", "rate_limit.default"),
    same("RATE_LIMIT_PREDICTIONS", "rate_limit.predictions"),
    converted("RATE_LIMIT_STORAGE_URI", "rate_limit.store", Conversion::RateStore),
    same("BACKEND_URL", "callback.backend_url"),
    same("BACKEND_TIMEOUT", "callback.timeout_s"),
    converted("LOG_LEVEL", "log.level", Conversion::LogLevel),
    converted("LOG_JSON", "log.format", Conversion::Switch("json", "pretty")),
    same("OTEL_EXPORTER_OTLP_ENDPOINT", "traces.endpoint"),
    same("OTEL_TRACES_SAMPLER_ARG", "traces.sample_ratio"),
    same("OTEL_EXPORTER_OTLP_HEADERS", "secrets.otlp_headers"),
    same("SECRET_KEY", "secrets.secret_key"),
    same("SENTRY_DSN", "secrets.sentry_dsn"),
    same("ORTOLAN_OPERATOR_KEY", "secrets.operator_key"),
];

/// Variables with our prefix that are no settings: where the file lies, and what the user's command line reads.
pub(crate) const NOT_SETTINGS: &[&str] = &[
    "ORTOLAN_CONFIG",
    "ORTOLAN_URL",
    "ORTOLAN_KEY",
    "ORTOLAN_TENANT",
    "ORTOLAN_CACHE",
    "ORTOLAN_BIN",
    "ORTOLAN_PROJECT",
    "ORTOLAN_BB_CACHE",
];

/// Begin of variables that tests read; the programs that they start inherit them.
pub(crate) const OF_TESTS: &str = "ORTOLAN_TEST_";
