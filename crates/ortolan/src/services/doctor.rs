//! `ortolan doctor`: looks at everything that the server depends on and says what to do about what is missing.

use std::path::Path;
use std::sync::Arc;

use ortolan::cli::{GlobalArgs, ServiceArgs};
use ortolan::{Failure, Terminal};
use ortolan_domain::SystemClock;
use ortolan_runner::{RunnerPool, RunnerSettings};
use ortolan_service::config::{Config, Database, Role};
use ortolan_store::{PostgresSettings, SqliteSettings, Stores, TaskChange, TaskObserver};
use serde::Serialize;

use crate::assemble::runtime;

/// What a look found.
#[derive(Debug, Serialize)]
struct Finding {
    /// What was looked at.
    check: &'static str,
    /// True when it is as it should be.
    ok: bool,
    /// What was seen.
    detail: String,
    /// What to do about it.
    remedy: &'static str,
}

impl Finding {
    fn good(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, ok: true, detail: detail.into(), remedy: "" }
    }

    fn bad(check: &'static str, detail: impl std::fmt::Display, remedy: &'static str) -> Self {
        Self { check, ok: false, detail: detail.to_string(), remedy }
    }
}

/// Hears nothing: whoever looks does not change anything.
struct Deaf;

impl TaskObserver for Deaf {
    fn changed(&self, _: &[TaskChange]) {}
}

/// Looks and prints; fails when something is missing.
pub async fn run(args: &ServiceArgs, global: &GlobalArgs, terminal: Terminal) -> Result<(), Failure> {
    let config = super::load(super::options(global, Role::Everything), args.config.as_deref())?;
    let mut findings = vec![Finding::good("configuration", "is valid"), data_folder(&config.data_dir)];
    findings.push(database(&config).await);
    findings.extend(runners(&config).await);
    terminal.show(&findings, |findings| {
        let row = |finding: &Finding| {
            let state = if finding.ok { "ok" } else { "MISSING" };
            [finding.check.to_owned(), state.to_owned(), finding.detail.clone(), finding.remedy.to_owned()]
        };
        terminal.table(["check", "state", "seen", "what to do"], findings.iter().map(row))
    })?;
    let bad = findings.iter().filter(|finding| !finding.ok).count();
    if bad == 0 { Ok(()) } else { Err(Failure::Failed(format!("{bad} of {} checks failed", findings.len()))) }
}

/// Brings the schema up to date.
pub async fn migrate(args: &ServiceArgs, global: &GlobalArgs, terminal: Terminal) -> Result<(), Failure> {
    let config = super::load(super::options(global, Role::Everything), args.config.as_deref())?;
    let stores = open(&config).await.map_err(|error| Failure::internal("the database could not be opened", error))?;
    let migrated = stores.migrate().await;
    stores.close().await;
    migrated.map_err(|error| Failure::internal("the schema could not be brought up to date", error))?;
    terminal.note("The schema is up to date.");
    Ok(())
}

async fn open(config: &Config) -> anyhow::Result<Stores> {
    let observer = Arc::new(Deaf);
    Ok(match config.database()? {
        Database::Sqlite(path) => Stores::sqlite(SqliteSettings::at(path), observer).await?,
        Database::Postgres(url) => Stores::postgres(PostgresSettings::at(url.expose()), observer).await?,
    })
}

fn data_folder(folder: &Path) -> Finding {
    let tried = std::fs::create_dir_all(folder).and_then(|()| tempfile::NamedTempFile::new_in(folder).map(drop));
    match tried {
        Ok(()) => Finding::good("data folder", folder.display().to_string()),
        Err(error) => Finding::bad("data folder", format!("{}: {error}", folder.display()), "name a folder that can be written to: --data-dir"),
    }
}

async fn database(config: &Config) -> Finding {
    const REMEDY: &str = "check database.url (DATABASE_URL) and that the server runs, then `ortolan migrate`";
    match open(config).await {
        Ok(stores) => {
            let facts = stores.facts();
            let answered = stores.migrate().await.and(stores.tasks.ping().await);
            stores.close().await;
            match answered {
                Ok(()) => Finding::good("database", format!("{} answers", facts.backend)),
                Err(error) => Finding::bad("database", error, REMEDY),
            }
        }
        Err(error) => Finding::bad("database", error, REMEDY),
    }
}

/// Finds the runtime and starts a first runner, which also says whether the kernel can shut it in.
async fn runners(config: &Config) -> Vec<Finding> {
    let library = match runtime::library(config.ml.onnxruntime_path.as_deref()) {
        Ok(library) => library,
        Err(error) => return vec![Finding::bad("ONNX Runtime", error, "`./dev setup` fetches it")],
    };
    let found = Finding::good("ONNX Runtime", format!("version {} at {}", runtime::version(&library), library.display()));
    let settings = RunnerSettings { allow_degraded_sandbox: config.ml.allow_degraded_sandbox, ..RunnerSettings::new(library) };
    let started = RunnerPool::start(settings, SystemClock::shared()).await;
    let sandbox = match started {
        Ok(pool) => {
            let devices = pool.gpu_count();
            pool.shutdown().await;
            let devices = if devices == 0 { "the processor".to_owned() } else { format!("{devices} GPUs") };
            Finding::good("runner", format!("a sandboxed process starts, on {devices}"))
        }
        Err(error) => Finding::bad("runner", error, "a kernel with landlock and seccomp is needed, or ml.allow_degraded_sandbox"),
    };
    vec![found, sandbox]
}
