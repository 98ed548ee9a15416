//! `ortolan doctor`: looks at everything that the server depends on and says what to do about what is missing.

use std::sync::Arc;
use std::time::Duration;

use ortolan::cli::{GlobalArgs, ServiceArgs};
use ortolan::commands::doctor::{self, Check};
use ortolan::{Failure, Terminal};
use ortolan_assembly::{Deaf, storage};
use ortolan_domain::SystemClock;
use ortolan_engine::Gpus;
use ortolan_ml_client::{HttpInference, Inference as _};
use ortolan_ml_service::assemble::runtime;
use ortolan_queue::Queues;
use ortolan_runner::{RunnerPool, RunnerSettings};
use ortolan_service::config::{Config, Database, Role};
use ortolan_store::{PostgresSettings, SqliteSettings, Stores};
use uuid::Uuid;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Broken rows that are told of.
const MOST_VIOLATIONS: u32 = 5;

/// Looks and prints; fails when something does not work.
pub async fn run(args: &ServiceArgs, global: &GlobalArgs, terminal: Terminal) -> Result<(), Failure> {
    let config = super::load(super::options(global, Role::Everything), args.config.as_deref())?;
    let mut checks = vec![Check::ok("configuration", "is valid"), database(&config).await, objects(&config).await];
    match config.redis_url() {
        Ok(Some(url)) => checks.extend([broker(url.expose()).await, ml_service(&config).await]),
        // The embedded profile has both inside.
        Ok(None) => {}
        Err(error) => checks.push(Check::fail("configuration", error.to_string(), "set it, or choose another profile")),
    }
    checks.extend(runners(&config).await);
    doctor::run(&config.data_dir, checks, global, terminal).await
}

/// Brings the schema up to date.
pub async fn migrate(args: &ServiceArgs, global: &GlobalArgs, terminal: Terminal) -> Result<(), Failure> {
    let config = super::load(super::options(global, Role::Everything), args.config.as_deref())?;
    let stores = open(&config).await.map_err(|error| Failure::internal("the database could not be opened", error))?;
    let migrated = stores.migrate().await;
    stores.close().await;
    migrated.map_err(|error| Failure::internal("the schema could not be brought up to date", error))?;
    match terminal.is_json() {
        true => terminal.json(&serde_json::json!({"schema": "up to date"})),
        false => {
            terminal.note("The schema is up to date.");
            Ok(())
        }
    }
}

async fn open(config: &Config) -> anyhow::Result<Stores> {
    let observer = Arc::new(Deaf);
    Ok(match config.database()? {
        Database::Sqlite(path) => Stores::sqlite(SqliteSettings::at(path), observer).await?,
        Database::Postgres(url) => Stores::postgres(PostgresSettings::at(url.expose()), observer).await?,
    })
}

async fn database(config: &Config) -> Check {
    const NAME: &str = "database";
    const ADVICE: &str = "check database.url (DATABASE_URL) and that the server runs, then `ortolan migrate`";
    const REPORT_IT: &str = "please report these rows with the log of that time, and keep a copy of the database";
    if let Ok(Database::Sqlite(path)) = config.database()
        && !path.exists()
    {
        return Check::ok(NAME, "is not there yet; the first start makes it");
    }
    match open(config).await {
        Ok(stores) => {
            let backend = stores.facts().backend;
            let looked = stores.tasks.violations(None, MOST_VIOLATIONS).await;
            stores.close().await;
            match looked {
                Ok(violations) if violations.is_empty() => {
                    Check::ok(NAME, format!("{backend} answers, and every task is as it must be"))
                }
                Ok(violations) => {
                    let told: Vec<_> = violations.iter().map(ToString::to_string).collect();
                    Check::fail(NAME, format!("invariants do not hold: {}", told.join("; ")), REPORT_IT)
                }
                Err(error) => Check::fail(NAME, error.to_string(), ADVICE),
            }
        }
        Err(error) => Check::fail(NAME, format!("{error:#}"), ADVICE),
    }
}

/// Asks Redis for a sign of life, on a connection of queues.
async fn broker(url: &str) -> Check {
    const NAME: &str = "redis";
    const ADVICE: &str =
        "check redis.url (REDIS_URL) and that the server runs; tasks are kept in the database meanwhile";
    let asked = async {
        let queues = Queues::redis(url).await.map_err(|error| with_root(&error))?;
        queues.cpu.ping().await.map_err(|error| with_root(&error))
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(())) => Check::ok(NAME, "answers"),
        Ok(Err(error)) => Check::fail(NAME, error, ADVICE),
        Err(_) => Check::fail(NAME, format!("did not answer within {} s", PATIENCE.as_secs()), ADVICE),
    }
}

/// Asks the ML service how it is.
async fn ml_service(config: &Config) -> Check {
    const NAME: &str = "ml service";
    const ADVICE: &str = "check ml.service_url (ML_SERVICE_URL) and that `ortolan ml-service` runs";
    let url = config.ml.service_url.expose();
    let client = match HttpInference::new(url, PATIENCE) {
        Ok(client) => client,
        Err(error) => return Check::fail(NAME, with_root(&error), ADVICE),
    };
    match client.health().await {
        Ok(health) if health.models_failed.is_empty() => {
            let devices: Vec<_> = health.devices.iter().map(|device| device.name.as_str()).collect();
            Check::ok(NAME, format!("answers, runs models on {}", devices.join(", ")))
        }
        Ok(health) => {
            let failed: Vec<_> = health.models_failed.keys().map(String::as_str).collect();
            Check::warn(NAME, format!("models that failed at start: {}", failed.join(", ")), "its log says why")
        }
        Err(error) => Check::fail(NAME, error.detail, ADVICE),
    }
}

/// Writes, reads and deletes an object of its own.
async fn objects(config: &Config) -> Check {
    const NAME: &str = "object store";
    let place = storage::place(config);
    let blobs = match storage::blobs(config) {
        Ok(blobs) => blobs,
        Err(error) => {
            return Check::fail(
                NAME,
                format!("{place}: {}", with_root(&error)),
                "correct the settings under [storage]",
            );
        }
    };
    match blobs.probe(&Uuid::now_v7().to_string()).await {
        Ok(()) => Check::ok(NAME, format!("{place} takes, gives and deletes objects")),
        Err(error) => Check::fail(NAME, format!("{place}: {}", with_root(&error)), error.advice()),
    }
}

/// An error with what caused it in the end, without the document that a store's answer may hold.
fn with_root(error: &(dyn std::error::Error + 'static)) -> String {
    let root = std::iter::successors(error.source(), |error| error.source()).last();
    let Some(root) = root.map(ToString::to_string) else { return error.to_string() };
    let root = root.split(['<', '\n']).next().unwrap_or_default().trim_end_matches([':', ' ']);
    format!("{error}: {root}")
}

/// Finds the runtime and starts a first runner, which also says whether the kernel can shut it in.
async fn runners(config: &Config) -> Vec<Check> {
    const ADVICE: &str = "a kernel with landlock and seccomp is needed, or ml.allow_degraded_sandbox";
    let library = match runtime::library(config.ml.onnxruntime_path.as_deref()) {
        Ok(library) => library,
        Err(error) => return vec![Check::fail("ONNX Runtime", error.to_string(), "`./dev setup` fetches it")],
    };
    let found = format!("version {} at {}", runtime::version(&library), library.display());
    let settings =
        RunnerSettings { allow_degraded_sandbox: config.ml.allow_degraded_sandbox, ..RunnerSettings::new(library) };
    let runner = match RunnerPool::start(settings, SystemClock::shared()).await {
        Ok(pool) => {
            let gpu_count = pool.gpu_count();
            pool.shutdown().await;
            let there: Vec<_> = Gpus::open().map(|gpus| gpus.list()).unwrap_or_default();
            let names: Vec<_> = there.into_iter().map(|gpu| gpu.name).collect();
            Check::ok("runner", format!("a sandboxed process starts, {}", devices(gpu_count, &names.join(", "))))
        }
        Err(error) => Check::fail("runner", error.to_string(), ADVICE),
    };
    vec![Check::ok("ONNX Runtime", found), runner]
}

/// Where models run, and why not on the GPUs that are there.
fn devices(used: u32, there: &str) -> String {
    match (used, there) {
        (0, "") => "on the processor".to_owned(),
        (0, names) => format!(
            "on the processor although there is a GPU ({names}): this ONNX Runtime has no CUDA provider, or it did not start; `./dev setup --gpu` fetches one"
        ),
        (1, names) => format!("on one GPU ({names})"),
        (count, names) => format!("on {count} GPUs ({names})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_that_is_not_used_is_told_with_its_remedy() {
        assert_eq!(devices(0, ""), "on the processor");
        assert!(devices(0, "H100").contains("although there is a GPU (H100)"));
        assert!(devices(0, "H100").ends_with("`./dev setup --gpu` fetches one"));
        assert_eq!(devices(1, "H100"), "on one GPU (H100)");
        assert_eq!(devices(2, "A, B"), "on 2 GPUs (A, B)");
    }
}
