//! One file per section of the configuration; a field's unit stands in its key or in its type.

mod cache;
mod callback;
mod confidence;
mod database;
mod dispatch;
mod limits;
mod log;
mod ml;
mod rate_limit;
mod reconcile;
mod redis;
mod results;
mod retention;
mod secrets;
mod server;
mod storage;
mod traces;
mod worker;

pub use cache::CacheConfig;
pub use callback::CallbackConfig;
pub use confidence::ConfidenceConfig;
pub use database::DatabaseConfig;
pub use dispatch::DispatchConfig;
pub use limits::LimitsConfig;
pub use log::{LogConfig, LogFormat};
pub use ml::{Isolation, MlConfig, ModelInit};
pub use rate_limit::{Rate, RateLimitConfig, RateLimitStore};
pub use reconcile::ReconcileConfig;
pub use redis::RedisConfig;
pub use results::ResultsConfig;
pub use retention::RetentionConfig;
pub use secrets::SecretsConfig;
pub use server::{ServerConfig, Tracebacks};
pub use storage::{StorageConfig, StorageKind};
pub use traces::TracesConfig;
pub use worker::WorkerConfig;
