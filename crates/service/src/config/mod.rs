//! The configuration: compiled-in defaults, then a file, then the environment, then the command line.
//!
//! `default.toml` names every setting there is; its values say of which kind each one is. [`Config::load`] lays the other
//! layers over it, refuses what it does not know, and remembers where each value came from. It reads nothing but its
//! [`LoadOptions`], so a test can load any configuration; [`LoadOptions::from_process`] gathers the real inputs.

mod aliases;
mod checks;
mod docs;
mod effective;
mod environment;
mod error;
mod file;
mod layers;
mod nearest;
mod options;
mod origin;
mod ranges;
mod secret;
mod secret_files;
mod section;
mod value;

use std::collections::BTreeMap;
use std::path::PathBuf;

use ortolan_domain::route::QueueName;
use ortolan_domain::{TaskType, route::RouteTable};
use serde::{Deserialize, Serialize};

pub use docs::configuration_markdown;
pub use error::ConfigError;
pub use options::{ConfigFile, LoadOptions, Role};
pub use origin::Origin;
pub use secret::{MaskedUrl, Secret};
pub use section::*;

use origin::Origins;

/// Every setting, checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What the processes are built from.
    pub profile: Profile,
    /// Where the installation runs.
    pub environment: Environment,
    /// Folder of everything that is kept on this machine.
    pub data_dir: PathBuf,
    /// The HTTP API.
    pub server: ServerConfig,
    /// The database.
    pub database: DatabaseConfig,
    /// Redis or Valkey.
    pub redis: RedisConfig,
    /// Where objects lie.
    pub storage: StorageConfig,
    /// Workers and tries.
    pub worker: WorkerConfig,
    /// How far the queues are filled.
    pub dispatch: DispatchConfig,
    /// Queue of each type of task; [`Config::route_table`] makes the table of it.
    pub routes: BTreeMap<TaskType, QueueName>,
    /// The ML service and its runners.
    pub ml: MlConfig,
    /// Thresholds for tasks that name none.
    pub confidence: ConfidenceConfig,
    /// Caches.
    pub cache: CacheConfig,
    /// Results on their way to a worker.
    pub results: ResultsConfig,
    /// How long rows are kept.
    pub retention: RetentionConfig,
    /// The reconciler.
    pub reconcile: ReconcileConfig,
    /// What a tenant may have at once.
    pub limits: LimitsConfig,
    /// Requests that a tenant may send.
    pub rate_limit: RateLimitConfig,
    /// Where results of pipelines are posted.
    pub callback: CallbackConfig,
    /// Logs.
    pub log: LogConfig,
    /// Traces.
    pub traces: TracesConfig,
    /// Keys that must not be shown.
    pub secrets: SecretsConfig,
    #[serde(skip)]
    origins: Origins,
    #[serde(skip)]
    warnings: Vec<String>,
}

/// What the processes are built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// SQLite, queues in the process, one process.
    Embedded,
    /// PostgreSQL, Redis, a process per service.
    Production,
}

/// Where the installation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// On a developer's machine.
    #[serde(alias = "dev")]
    Development,
    /// Where releases are tried.
    Staging,
    /// For real.
    #[serde(alias = "prod")]
    Production,
}

impl Environment {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

/// Which database it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL server.
    Postgres(MaskedUrl),
}

impl Config {
    /// Lays the layers over each other and checks the outcome; reads nothing but `options`.
    pub fn load(options: LoadOptions) -> Result<Self, ConfigError> {
        let role = options.role;
        let layers = layers::Layers::over_defaults(options)?;
        let mut config: Self = layers.typed()?;
        config.settle(layers);
        checks::check(&mut config, role)?;
        Ok(config)
    }

    fn settle(&mut self, layers: layers::Layers) {
        (self.origins, self.warnings) = layers.into_facts();
        if self.log.format == LogFormat::Auto {
            let is_production = self.environment == Environment::Production;
            self.log.format = if is_production { LogFormat::Json } else { LogFormat::Pretty };
        }
    }

    /// What an operator should know though it is no error; to be logged once at start.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The queue of each type of task.
    pub fn route_table(&self) -> Result<RouteTable, ConfigError> {
        checks::route_table(self)
    }

    /// The database: in the embedded profile a SQLite file, else a PostgreSQL server.
    pub fn database(&self) -> Result<Database, ConfigError> {
        checks::database(self)
    }

    /// The address of Redis in the production profile, `None` in the embedded one.
    pub fn redis_url(&self) -> Result<Option<&MaskedUrl>, ConfigError> {
        checks::redis_url(self)
    }

    /// Folder of a local object store.
    pub fn storage_root(&self) -> PathBuf {
        self.storage.root.clone().unwrap_or_else(|| self.data_dir.join("objects"))
    }

    /// Folder of downloaded model files.
    pub fn model_cache_dir(&self) -> PathBuf {
        self.ml.model_cache_dir.clone().unwrap_or_else(|| self.data_dir.join("models"))
    }

    /// The configuration as TOML, secrets redacted, each value with where it came from.
    pub fn effective_toml(&self) -> String {
        effective::effective_toml(self, &self.origins)
    }
}
