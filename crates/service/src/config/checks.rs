//! What must hold between settings.

use ortolan_domain::route::RouteTable;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::error::ConfigError;
use super::options::Role;
use super::origin::Setting;
use super::{Config, Database, Environment, MaskedUrl, Profile, StorageKind};

/// Settings, and whole sections, that nothing reads yet.
const NOT_USED_YET: &[&str] = &["secrets.sentry_dsn"];

/// The fewest characters of the operator's key.
const OPERATOR_KEY_CHARS: usize = 32;

/// Checks what a process of this role relies on.
pub(crate) fn check(config: &mut Config, role: Role) -> Result<(), ConfigError> {
    let check = Check(config);
    check.no_auth()?;
    check.secrets(role)?;
    check.limits()?;
    check.storage()?;
    check.addresses()?;
    check.log()?;
    route_table(config)?;
    if role != Role::MlService {
        database(config)?;
    }
    redis_url(config)?;
    warn_of_unused(config);
    Ok(())
}

/// The queue of each type of task.
pub(crate) fn route_table(config: &Config) -> Result<RouteTable, ConfigError> {
    RouteTable::with(&config.routes)
        .map_err(|error| Check(config).invalid(&format!("routes.{}", error.0.as_str()), error.to_string()))
}

/// The database that the profile and the address mean.
pub(crate) fn database(config: &Config) -> Result<Database, ConfigError> {
    let invalid = |reason: &str| Err(Check(config).invalid("database.url", reason.to_owned()));
    let Some(url) = &config.database.url else {
        return match config.profile {
            Profile::Embedded => Ok(Database::Sqlite(config.data_dir.join("ortolan.db"))),
            Profile::Production => Err(ConfigError::Missing {
                path: "database.url",
                remedy: "the production profile needs the address of PostgreSQL in DATABASE_URL",
            }),
        };
    };
    match (config.profile, url.scheme().as_str()) {
        (Profile::Production, "postgres" | "postgresql") => Ok(Database::Postgres(url.clone())),
        (Profile::Production, _) => invalid("the production profile takes a `postgres://` address"),
        (Profile::Embedded, "sqlite") => Ok(Database::Sqlite(sqlite_path(url).into())),
        (Profile::Embedded, _) => {
            invalid("the embedded profile takes a `sqlite:` address; set ORTOLAN_PROFILE=production to use PostgreSQL")
        }
    }
}

/// The address of Redis, which the production profile cannot do without.
pub(crate) fn redis_url(config: &Config) -> Result<Option<&MaskedUrl>, ConfigError> {
    if config.profile == Profile::Embedded {
        return Ok(None);
    }
    let Some(url) = &config.redis.url else {
        return Err(ConfigError::Missing {
            path: "redis.url",
            remedy: "the production profile needs the address of Redis in REDIS_URL",
        });
    };
    match url.scheme().as_str() {
        "redis" | "rediss" | "valkey" | "valkeys" => Ok(Some(url)),
        _ => Err(Check(config).invalid("redis.url", "expected a `redis://` or `rediss://` address".to_owned())),
    }
}

fn sqlite_path(url: &MaskedUrl) -> &str {
    let path = url.expose().split_once(':').map_or("", |(_, rest)| rest);
    let path = path.strip_prefix("//").unwrap_or(path);
    path.split_once('?').map_or(path, |(path, _)| path)
}

fn warn_of_unused(config: &mut Config) {
    if config.profile == Profile::Embedded && config.redis.url.is_some() {
        let warning = "`redis.url` has no effect in the embedded profile; set ORTOLAN_PROFILE=production to use Redis";
        config.warnings.push(warning.to_owned());
    }
    let stated = config.origins.keys().filter(|path| is_not_used_yet(path));
    let warnings: Vec<_> = stated.map(|path| format!("`{path}` is set and has no effect in this release")).collect();
    config.warnings.extend(warnings);
}

/// True for settings of parts that are not built yet, which are known so that configurations need not change when they are.
fn is_not_used_yet(path: &str) -> bool {
    let section = path.split_once('.').map_or("", |(section, _)| section);
    NOT_USED_YET.contains(&path) || NOT_USED_YET.contains(&section)
}

struct Check<'a>(&'a Config);

impl Check<'_> {
    fn invalid(&self, path: &str, reason: String) -> ConfigError {
        let origin = self.0.origins.get(path).cloned().unwrap_or_default();
        ConfigError::Invalid { setting: Setting { path: path.to_owned(), origin }, reason }
    }

    fn no_auth(&self) -> Result<(), ConfigError> {
        let Config { server, profile, environment, .. } = self.0;
        let is_safe = *profile == Profile::Embedded
            && *environment != Environment::Production
            && server.listen.ip().is_loopback();
        if server.no_auth && !is_safe {
            let reason = "only for the embedded profile on a loopback address, outside of environment production";
            return Err(self.invalid("server.no_auth", reason.to_owned()));
        }
        Ok(())
    }

    fn secrets(&self, role: Role) -> Result<(), ConfigError> {
        let secrets = &self.0.secrets;
        let serves_http = matches!(role, Role::Everything | Role::Api);
        if serves_http && self.0.environment == Environment::Production && secrets.secret_key.is_none() {
            return Err(ConfigError::Missing {
                path: "secrets.secret_key",
                remedy: "environment production needs a random text of your own in SECRET_KEY",
            });
        }
        let length = secrets.operator_key.as_ref().map(|key| key.expose().chars().count());
        if length.is_some_and(|length| length < OPERATOR_KEY_CHARS) {
            let reason = format!("a key has at least {OPERATOR_KEY_CHARS} characters");
            return Err(self.invalid("secrets.operator_key", reason));
        }
        Ok(())
    }

    fn limits(&self) -> Result<(), ConfigError> {
        let worker = &self.0.worker;
        if worker.soft_limit > worker.hard_limit {
            let hard_s = worker.hard_limit.as_secs();
            let reason = format!("must not be more than `worker.hard_limit_s` ({hard_s}); set both");
            return Err(self.invalid("worker.soft_limit_s", reason));
        }
        let results = &self.0.results;
        if results.done_ttl < results.ttl {
            let reason = format!("must not be less than `results.ttl_s` ({}); set both", results.ttl.as_secs());
            return Err(self.invalid("results.done_ttl_s", reason));
        }
        Ok(())
    }

    fn storage(&self) -> Result<(), ConfigError> {
        if self.0.data_dir.as_os_str().is_empty() {
            return Err(self.invalid("data_dir", "it must name a folder".to_owned()));
        }
        if self.0.storage.kind != StorageKind::Local && self.0.storage.bucket.is_none() {
            return Err(self.invalid("storage.kind", "it needs `storage.bucket`, which is not set".to_owned()));
        }
        self.bucket()
    }

    fn bucket(&self) -> Result<(), ConfigError> {
        let storage = &self.0.storage;
        let name = storage.bucket.as_deref().unwrap_or("bucket");
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
            let reason = "expected the bare name of a bucket, without `gs://`, `s3://` or a path";
            return Err(self.invalid("storage.bucket", reason.to_owned()));
        }
        if storage.s3_access_key_id.is_some() != storage.s3_secret_access_key.is_some() {
            let reason = "`storage.s3_secret_access_key` belongs to it: set both, or neither to use the machine's role";
            return Err(self.invalid("storage.s3_access_key_id", reason.to_owned()));
        }
        if storage.gcs_token.is_some() && storage.gcs_service_account_file.is_some() {
            let reason = "`storage.gcs_service_account_file` is set, too: set one of them";
            return Err(self.invalid("storage.gcs_token", reason.to_owned()));
        }
        Ok(())
    }

    fn addresses(&self) -> Result<(), ConfigError> {
        let Config { server, ml, callback, storage, traces, .. } = self.0;
        if let Some(other) = server.cors_origins.iter().find(|origin| !is_origin(origin)) {
            let reason =
                format!("{other:?} is no origin: expected `https://host` or `http://host:port` without a path");
            return Err(self.invalid("server.cors_origins", reason));
        }
        let urls = [
            ("ml.service_url", Some(&ml.service_url)),
            ("traces.endpoint", traces.endpoint.as_ref()),
            ("callback.backend_url", callback.backend_url.as_ref()),
            ("storage.s3_endpoint", storage.s3_endpoint.as_ref()),
            ("storage.gcs_base_url", storage.gcs_base_url.as_ref()),
        ];
        for (path, url) in urls {
            if url.is_some_and(|url| !matches!(url.scheme().as_str(), "http" | "https")) {
                return Err(self.invalid(path, "expected an `http://` or `https://` address".to_owned()));
            }
        }
        if let Some(header) = &server.ingress_header
            && !header.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        {
            return Err(self.invalid("server.ingress_header", "expected the name of an HTTP header".to_owned()));
        }
        Ok(())
    }

    fn log(&self) -> Result<(), ConfigError> {
        let level = &self.0.log.level;
        if level.split(',').all(is_directive) && EnvFilter::builder().parse(level).is_ok() {
            return Ok(());
        }
        let reason =
            "expected error, warn, info, debug, trace or off, or directives such as `info,ortolan_worker=debug`";
        Err(self.invalid("log.level", reason.to_owned()))
    }
}

fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', '*', ' ']))
}

/// A lone word that is no level would be taken for a target and silence everything else.
fn is_directive(text: &str) -> bool {
    text.contains('=') || text.trim().parse::<LevelFilter>().is_ok()
}
