//! Loading configurations: which layer wins, what is refused, and what is never shown.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use ortolan_domain::config::ConfidenceDefaults;
use ortolan_domain::route::{GpuMode, QueueName, RouteTable};
use ortolan_domain::{Slot, TaskType};
use ortolan_service::config::{Config, Database, Environment, LoadOptions, LogFormat, Profile, Role, StorageKind};

fn bare() -> LoadOptions {
    LoadOptions::new(Role::Everything)
}

fn from_environment(variables: &[(&str, &str)]) -> Config {
    Config::load(bare().with_environment(variables.iter().copied())).unwrap()
}

fn refusal(options: LoadOptions) -> String {
    Config::load(options).unwrap_err().to_string()
}

const PRODUCTION: [(&str, &str); 3] = [
    ("ORTOLAN_PROFILE", "production"),
    ("DATABASE_URL", "postgres://ortolan:hunter2@db/ortolan"),
    ("REDIS_URL", "redis://:hunter2@cache:6379/0"),
];

#[test]
fn the_defaults_are_those_of_the_domain() {
    let config = from_environment(&[]);
    assert_eq!(config.route_table().unwrap(), RouteTable::default());
    assert_eq!(ConfidenceDefaults::from(config.confidence), ConfidenceDefaults::default());
    assert_eq!((config.profile, config.environment), (Profile::Embedded, Environment::Development));
    assert_eq!(config.database().unwrap(), Database::Sqlite("ortolan-data/ortolan.db".into()));
    assert_eq!(config.redis_url().unwrap(), None);
    assert_eq!(config.storage_root(), Path::new("ortolan-data/objects"));
    assert!(config.warnings().is_empty());
}

#[test]
fn each_layer_goes_before_the_one_below() {
    let file = "[worker]\nconcurrency = 5\nlease_s = 6\nmax_tries = 7\nmax_crashes = 8";
    let variables = [
        ("WORKER_CONCURRENCY", "9"),
        ("JOB_MAX_RETRIES", "10"),
        ("ORTOLAN_WORKER__MAX_TRIES", "11"),
        ("ORTOLAN_WORKER__LEASE_S", "12"),
    ];
    let options = bare().with_file("ortolan.toml", file).with_environment(variables);
    let config = Config::load(options.with_override("worker.lease_s", "13")).unwrap();
    assert_eq!(config.worker.max_crashes, 8, "the file goes before the default");
    assert_eq!(config.worker.concurrency, 9, "a plain name goes before the file");
    assert_eq!(config.worker.max_tries, 11, "our own name goes before the plain one");
    assert_eq!(config.worker.lease, Duration::from_secs(13), "the command line goes before all");
}

#[test]
fn all_plain_names_together_are_taken() {
    let config = from_environment(&[
        ("ENVIRONMENT", "prod"),
        ("SECRET_KEY", "s"),
        ("LOG_LEVEL", "WARNING"),
        ("LOG_JSON", "false"),
        ("ML_SERVICE_URL", "http://ml-service:8001"),
        ("GPU_MODE", "cpu"),
        ("ARQ_MAX_JOBS", "4"),
        ("ARQ_JOB_TIMEOUT", "1800"),
        ("WORKER_CONCURRENCY", "2"),
        ("GPU_CONCURRENCY", "3"),
        ("MODEL_CACHE_DIR", "/models"),
        ("REQUIRE_GPU", "true"),
        ("GCS_BUCKET", "bucket"),
        ("USE_LOCAL_STORAGE", "true"),
        ("LOCAL_STORAGE_ROOT", "./local_storage"),
        ("CONFIDENCE_THRESHOLD", "0.6"),
        ("BACKEND_URL", "https://backend.example"),
        ("BACKEND_TIMEOUT", "31"),
        ("CORS_ORIGINS", r#"["https://a.example", "https://b.example"]"#),
        ("MODEL_STORAGE_PATH", "./models"),
        ("MAX_MODEL_SIZE_MB", "2"),
        ("REDIS_ENABLED", "False"),
        ("REDIS_MAX_CONNECTIONS", "11"),
        ("CACHE_TTL", "3601"),
        ("CACHE_KEY_PREFIX", "forge:"),
        ("CACHE_MODEL_TTL", "301"),
        ("CACHE_MODEL_LIST_TTL", "61"),
        ("CACHE_PREDICTION_TTL", "62"),
        ("CACHE_PREDICTION_ENABLED", "0"),
        ("CACHE_TTL_SECONDS", "300"),
        ("TASK_SOFT_TIME_LIMIT", "1"),
        ("TASK_TIME_LIMIT", "2"),
        ("RESULT_EXPIRES", "86401"),
        ("JOB_RETENTION_DAYS", "31"),
        ("JOB_MAX_RETRIES", "5"),
        ("SENTRY_DSN", "https://key@errors.example/1"),
        ("INFERENCE_TIMEOUT_SECONDS", "29"),
        ("USE_BACKGROUND_INFERENCE", "true"),
        ("RATE_LIMIT_DEFAULT", "60/minute"),
        ("RATE_LIMIT_PREDICTIONS", "10/minute"),
        ("RATE_LIMIT_STORAGE_URI", "memory://"),
        ("MODEL_PRELOAD", "acme/detect, beta/segment"),
        ("ORT_DYLIB_PATH", "/opt/onnxruntime/libonnxruntime.so"),
    ]);
    let seconds = Duration::from_secs;
    assert_eq!(config.environment, Environment::Production);
    assert_eq!((config.log.level.as_str(), config.log.format), ("warn", LogFormat::Pretty));
    assert_eq!(config.ml.service_url.expose(), "http://ml-service:8001");
    assert_eq!((config.worker.gpu_mode, config.worker.concurrency), (GpuMode::Cpu, 2));
    assert_eq!((config.worker.job_timeout, config.worker.max_tries), (seconds(1800), 5));
    assert_eq!((config.worker.soft_limit, config.worker.hard_limit), (seconds(1), seconds(2)));
    assert_eq!((config.ml.gpu_concurrency, config.ml.require_gpu), (3, true));
    assert_eq!(config.model_cache_dir(), Path::new("/models"));
    assert_eq!((config.storage.kind, config.storage.bucket.as_deref()), (StorageKind::Local, Some("bucket")));
    assert_eq!(config.storage_root(), Path::new("./local_storage"));
    assert_eq!(config.confidence.detect, 0.6);
    assert_eq!(config.callback.backend_url.unwrap().expose(), "https://backend.example");
    assert_eq!(config.callback.timeout, seconds(31));
    assert_eq!(config.server.cors_origins, ["https://a.example", "https://b.example"]);
    assert_eq!(config.server.max_model_bytes, 2 * 1024 * 1024);
    assert_eq!((config.redis.enabled, config.redis.max_connections), (false, 11));
    assert_eq!((config.cache.ttl, config.cache.key_prefix.as_str()), (seconds(3601), "forge:"));
    assert_eq!((config.cache.model_ttl, config.cache.model_list_ttl), (seconds(301), seconds(61)));
    assert_eq!((config.cache.prediction_ttl, config.cache.prediction_enabled), (seconds(62), false));
    assert_eq!(config.results.done_ttl, seconds(86401));
    assert_eq!(config.retention.jobs, seconds(31 * 86400));
    assert_eq!(config.ml.inference_timeout, seconds(29));
    assert!(config.ml.background_inference);
    assert_eq!(config.rate_limit.default.unwrap().to_string(), "60/minute");
    assert_eq!(config.rate_limit.predictions.unwrap().count, 10);
    assert_eq!(config.ml.model_preload[1].name, Slot::Segment.into());
    assert_eq!(config.ml.onnxruntime_path.as_deref(), Some(Path::new("/opt/onnxruntime/libonnxruntime.so")));
}

#[test]
fn two_names_of_one_setting_are_told_and_the_stronger_is_used() {
    let config = from_environment(&[("ARQ_MAX_JOBS", "4"), ("WORKER_CONCURRENCY", "2")]);
    assert_eq!(config.worker.concurrency, 2);
    let warning =
        "WORKER_CONCURRENCY and ARQ_MAX_JOBS both set `worker.concurrency`; the value of WORKER_CONCURRENCY is used";
    assert_eq!(config.warnings(), [warning]);
    assert!(from_environment(&[("ARQ_MAX_JOBS", "2"), ("WORKER_CONCURRENCY", "2")]).warnings().is_empty());
}

#[test]
fn a_bucket_means_its_cloud_unless_something_else_says_the_kind() {
    let kind = |variables: &[(&str, &str)]| from_environment(variables).storage.kind;
    assert_eq!(kind(&[("GCS_BUCKET", "b")]), StorageKind::Gcs);
    assert_eq!(kind(&[("GCS_BUCKET", "b"), ("USE_LOCAL_STORAGE", "true")]), StorageKind::Local);
    assert_eq!(kind(&[("GCS_BUCKET", "b"), ("ORTOLAN_STORAGE__KIND", "s3")]), StorageKind::S3);
    let from_file = bare().with_file("a.toml", "[storage]\nkind = \"s3\"").with_environment([("GCS_BUCKET", "b")]);
    let config = Config::load(from_file).unwrap();
    assert_eq!((config.storage.kind, config.warnings()), (StorageKind::S3, [].as_slice()));
    let message = refusal(bare().with_environment([("USE_LOCAL_STORAGE", "false")]));
    assert!(message.contains("USE_LOCAL_STORAGE") && message.contains("storage.bucket"), "{message}");
}

#[test]
fn a_bucket_of_s3_is_set_by_the_names_that_its_tools_know() {
    let config = from_environment(&[
        ("S3_BUCKET", "b"),
        ("AWS_DEFAULT_REGION", "us-west-1"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ENDPOINT_URL", "http://minio:9000"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "s3cret"),
        ("AWS_SESSION_TOKEN", "t0ken"),
        ("ORTOLAN_STORAGE__S3_PATH_STYLE", "true"),
    ]);
    let storage = &config.storage;
    assert_eq!((storage.kind, storage.bucket.as_deref()), (StorageKind::S3, Some("b")));
    assert_eq!((storage.s3_region.as_str(), storage.s3_path_style), ("eu-central-1", true));
    assert_eq!(storage.s3_endpoint.as_ref().unwrap().expose(), "http://minio:9000");
    assert_eq!(storage.s3_secret_access_key.as_ref().unwrap().expose(), "s3cret");
    let shown = format!("{} {config:?}", config.effective_toml());
    assert!(!shown.contains("s3cret") && !shown.contains("t0ken"), "{shown}");
}

#[test]
fn settings_of_a_bucket_that_do_not_fit_are_refused() {
    for (name, value, part) in [
        ("GCS_BUCKET", "gs://b", "bare name"),
        ("S3_BUCKET", "b/models", "bare name"),
        ("AWS_ACCESS_KEY_ID", "id", "storage.s3_secret_access_key"),
        ("AWS_ENDPOINT_URL", "minio:9000", "http://"),
        ("ORTOLAN_STORAGE__GCS_BASE_URL", "gs://b", "http://"),
    ] {
        let message = refusal(bare().with_environment([(name, value)]));
        assert!(message.contains(name) && message.contains(part), "{message}");
    }
}

#[test]
fn names_that_mean_nothing_here_have_no_effect() {
    let junk = ["MODEL_PATH", "DETECTION_MODEL", "SEGMENTATION_MODEL"].map(|name| (name, "\u{0}junk/../.."));
    assert_eq!(from_environment(&junk).effective_toml(), from_environment(&[]).effective_toml());
    let empty = [("REDIS_URL", ""), ("ARQ_MAX_JOBS", ""), ("ORTOLAN_WORKER__LEASE_S", "")];
    assert_eq!(from_environment(&empty).effective_toml(), from_environment(&[]).effective_toml());
}

#[test]
fn variables_of_kubernetes_of_the_command_line_and_of_tests_are_left_alone() {
    from_environment(&[
        ("ORTOLAN_PORT", "tcp://10.0.0.1:80"),
        ("ORTOLAN_SERVICE_HOST", "10.0.0.1"),
        ("ORTOLAN_API_SERVICE_PORT", "80"),
        ("ORTOLAN_API_SERVICE_PORT_HTTP", "80"),
        ("ORTOLAN_API_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("ORTOLAN_API_PORT_80_TCP_PROTO", "tcp"),
        ("ORTOLAN_API_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("ORTOLAN_URL", "http://127.0.0.1:8000"),
        ("ORTOLAN_TEST_REDIS_URL", "redis://127.0.0.1"),
    ]);
}

#[test]
fn unknown_keys_and_variables_are_refused_with_the_nearest_known_one() {
    for (options, parts) in [
        (
            bare().with_file("a.toml", "[worker]\nconcurency = 1"),
            ["a.toml", "`worker.concurency`", "`worker.concurrency`"],
        ),
        (bare().with_file("a.toml", "[wroker]\nlease_s = 1"), ["a.toml", "`wroker.lease_s`", "`worker.lease_s`"]),
        (bare().with_file("a.toml", "server = 1"), ["a.toml", "`server`", "did you mean"]),
        (bare().with_override("ml.gpu", "1"), ["command line", "`ml.gpu`", "did you mean"]),
        (
            bare().with_environment([("ORTOLAN_WORKER__CONCURENCY", "1")]),
            ["variable", "ORTOLAN_WORKER__CONCURENCY", "ORTOLAN_WORKER__CONCURRENCY"],
        ),
        (
            bare().with_environment([("ORTOLAN_OPERATORKEY", "1")]),
            ["variable", "ORTOLAN_OPERATORKEY", "ORTOLAN_OPERATOR_KEY"],
        ),
    ] {
        let message = refusal(options);
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
}

#[test]
fn a_bad_value_is_named_with_its_kind_and_the_remedy() {
    for (variable, value, parts) in [
        ("ARQ_MAX_JOBS", "many", ["ARQ_MAX_JOBS", "a whole number", "a text"]),
        ("ARQ_MAX_JOBS", "0", ["`worker.concurrency`", "from 1", "was 0"]),
        ("ORTOLAN_WORKER__LEASE_S", "-5", ["ORTOLAN_WORKER__LEASE_S", "from 1", "was -5"]),
        ("ORTOLAN_ML__WORKER_ID", "-1", ["ORTOLAN_ML__WORKER_ID", "worker_id must be non-negative", "was -1"]),
        ("GPU_MODE", "gpuu", ["GPU_MODE", "`worker.gpu_mode`", "`auto`"]),
        ("REQUIRE_GPU", "maybe", ["REQUIRE_GPU", "true or false", "a text"]),
        ("CONFIDENCE_THRESHOLD", "1.5", ["CONFIDENCE_THRESHOLD", "from 0 to 1", "was 1.5"]),
        ("CONFIDENCE_THRESHOLD", "NaN", ["CONFIDENCE_THRESHOLD", "from 0 to 1", "was NaN"]),
        ("CORS_ORIGINS", "https://a.example/path", ["CORS_ORIGINS", "no origin", "without a path"]),
        ("CORS_ORIGINS", "*", ["CORS_ORIGINS", "no origin", "expected"]),
        ("LOG_LEVEL", "chatty", ["LOG_LEVEL", "`log.level`", "debug"]),
        ("RATE_LIMIT_DEFAULT", "60", ["RATE_LIMIT_DEFAULT", "`60/minute`", "expected"]),
        ("RATE_LIMIT_STORAGE_URI", "s3://x", ["RATE_LIMIT_STORAGE_URI", "memory://", "Redis"]),
        ("MODEL_PRELOAD", "a/detect,B/detect", ["MODEL_PRELOAD", "`ml.model_preload`", "a-z"]),
        ("ORTOLAN_ROUTES__NOOP", "ml_jobs", ["ORTOLAN_ROUTES__NOOP", "`routes.noop`", "gpu_jobs and cpu_jobs"]),
        ("ORTOLAN_SERVER__LISTEN", "here", ["ORTOLAN_SERVER__LISTEN", "`server.listen`", "socket address"]),
        ("TASK_TIME_LIMIT", "10", ["worker.soft_limit_s", "worker.hard_limit_s", "10"]),
        ("ML_SERVICE_URL", "ml:8001", ["ML_SERVICE_URL", "`ml.service_url`", "http://"]),
        ("ENVIRONMENT", "moon", ["ENVIRONMENT", "`staging`", "`production`"]),
    ] {
        let message = refusal(bare().with_environment([(variable, value)]));
        assert!(parts.iter().all(|part| message.contains(part)), "{variable}={value}: {message}");
    }
    let message = refusal(bare().with_file("a.toml", "[log]\nlevel = 3"));
    assert_eq!(message, "`log.level` in a.toml must be a text, was a whole number");
    let message = refusal(bare().with_file("a.toml", "\n[log]\nlevel = 'info"));
    assert!(message.starts_with("a.toml, line 3: "), "{message}");
}

#[test]
fn a_whole_number_is_a_number_too() {
    let config = Config::load(bare().with_file("a.toml", "[confidence]\ndetect = 1\nsegment = 0")).unwrap();
    assert_eq!((config.confidence.detect, config.confidence.segment), (1.0, 0.0));
}

#[test]
fn no_secret_shows_in_errors_or_in_the_effective_configuration() {
    let secret = "correct-horse-battery-staple-0123456789";
    let variables =
        [("SECRET_KEY", secret), ("ORTOLAN_OPERATOR_KEY", secret), ("SENTRY_DSN", "https://hunter2@e.example/1")];
    let config = Config::load(bare().with_environment(PRODUCTION).with_environment(variables)).unwrap();
    for shown in [config.effective_toml(), format!("{config:?}")] {
        assert!(!shown.contains(secret) && !shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("postgres://[redacted]@db/ortolan"), "{shown}");
    }
    for options in [
        bare().with_environment([("DATABASE_URL", "postgres://u:hunter2@db/x")]),
        bare().with_environment([("ORTOLAN_OPERATOR_KEY", "hunter2")]),
        bare().with_environment([PRODUCTION[0], PRODUCTION[1], ("REDIS_URL", "http://:hunter2@cache")]),
        bare().with_file("a.toml", "[secrets]\nsecret_key = \"hunter2"),
        bare().with_file("a.toml", "[secrets]\nsecret_key = [\"hunter2\"]"),
        bare().with_file("a.toml", "[secrets]\nsecret_keys = \"hunter2\""),
    ] {
        let error = Config::load(options).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn the_effective_configuration_says_where_values_came_from_and_loads_again() {
    let options = bare().with_file("a.toml", "[worker]\nlease_s = 20").with_environment([("ARQ_MAX_JOBS", "4")]);
    let config = Config::load(options.with_override("server.listen", "0.0.0.0:80")).unwrap();
    let shown = config.effective_toml();
    for line in [
        "concurrency = 4 # variable ARQ_MAX_JOBS",
        "lease_s = 20 # file a.toml",
        "listen = \"0.0.0.0:80\" # command line",
        "max_tries = 3 # default",
        "detect = 0.8 # default",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in {shown}");
    }
    let again = Config::load(bare().with_file("effective.toml", &shown)).unwrap();
    assert_eq!(again.worker.concurrency, 4);
    assert_eq!(again.effective_toml().replace(" # file effective.toml", ""), without_origins(&shown));
}

fn without_origins(toml: &str) -> String {
    let lines = toml.lines().map(|line| line.split_once(" # ").map_or(line, |(value, _)| value));
    lines.fold(String::new(), |all, line| all + line + "\n")
}

#[test]
fn production_names_what_a_role_needs() {
    let only_redis = [PRODUCTION[0], PRODUCTION[2]];
    let load = |role, variables: &[(&'static str, &'static str)]| {
        Config::load(LoadOptions::new(role).with_environment(variables.iter().copied()))
    };
    assert!(load(Role::MlService, &only_redis).is_ok(), "the ML service needs no database");
    for role in [Role::Everything, Role::Api, Role::Worker, Role::Reconciler] {
        let message = load(role, &only_redis).unwrap_err().to_string();
        assert!(message.contains("DATABASE_URL"), "{message}");
        let config = load(role, &PRODUCTION).unwrap();
        assert!(matches!(config.database().unwrap(), Database::Postgres(_)));
        assert_eq!(config.redis_url().unwrap().unwrap().expose(), PRODUCTION[2].1);
    }
    let message = load(Role::MlService, &PRODUCTION[..2]).unwrap_err().to_string();
    assert!(message.contains("REDIS_URL"), "{message}");
}

#[test]
fn environment_production_needs_a_secret_key_where_http_is_served() {
    let production = [("ENVIRONMENT", "production")];
    for role in [Role::Everything, Role::Api] {
        let message = refusal(LoadOptions::new(role).with_environment(production));
        assert!(message.contains("SECRET_KEY"), "{message}");
    }
    let config = Config::load(bare().with_environment(production).with_environment([("SECRET_KEY", "x")])).unwrap();
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn answering_without_a_key_is_only_for_a_loopback_address_of_the_embedded_profile() {
    let with = |more: &[(&'static str, &'static str)]| {
        let variables = [("ORTOLAN_SERVER__NO_AUTH", "true")].into_iter().chain(more.iter().copied());
        Config::load(bare().with_environment(variables))
    };
    assert!(with(&[]).is_ok());
    for more in [
        [("ORTOLAN_SERVER__LISTEN", "0.0.0.0:8000"), ("SECRET_KEY", "x")],
        [("ENVIRONMENT", "production"), ("SECRET_KEY", "x")],
    ] {
        let message = with(&more).unwrap_err().to_string();
        assert!(message.contains("ORTOLAN_SERVER__NO_AUTH") && message.contains("loopback"), "{message}");
    }
    assert!(with(&PRODUCTION).is_err());
}

#[test]
fn the_embedded_profile_refuses_another_database_and_tells_of_an_unused_redis() {
    let message = refusal(bare().with_environment([PRODUCTION[1]]));
    assert!(message.contains("DATABASE_URL") && message.contains("ORTOLAN_PROFILE=production"), "{message}");
    let config = from_environment(&[("DATABASE_URL", "sqlite:///var/lib/o.db?mode=rwc"), PRODUCTION[2]]);
    assert_eq!(config.database().unwrap(), Database::Sqlite("/var/lib/o.db".into()));
    assert_eq!(config.redis_url().unwrap(), None);
    assert!(config.warnings()[0].contains("`redis.url` has no effect"));
}

#[test]
fn routes_can_be_sent_elsewhere() {
    let config = from_environment(&[("ORTOLAN_ROUTES__CLASSIFICATION", "cpu_jobs")]);
    assert_eq!(config.route_table().unwrap().queue(TaskType::Classification, None), QueueName::CpuJobs);
}

#[test]
fn a_setting_without_effect_is_said_to_have_none() {
    let set = LoadOptions::default().with_environment([("SENTRY_DSN", "https://key@sentry.example/1")]);
    let config = Config::load(set).unwrap();
    assert_eq!(config.warnings(), ["`secrets.sentry_dsn` is set and has no effect in this release"]);
    assert!(Config::load(LoadOptions::default()).unwrap().warnings().is_empty());
}
