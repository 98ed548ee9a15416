//! The servers of the production profile, and what a task costs PostgreSQL when there is nothing but the row.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// As many connections as an API process has.
const CONNECTIONS: &str = "20";

/// Where PostgreSQL and Redis are.
#[derive(Debug, Clone)]
pub struct Stores {
    /// Address of the database.
    pub database_url: String,
    /// Address of Redis.
    pub redis_url: String,
}

impl Stores {
    /// The throw-away servers that `./dev bench` started.
    pub fn from_environment() -> Result<Self> {
        let named =
            |name: &str| std::env::var(name).with_context(|| format!("{name} is not set; `./dev bench` sets it"));
        Ok(Self { database_url: named("ORTOLAN_TEST_POSTGRES_URL")?, redis_url: named("ORTOLAN_TEST_REDIS_URL")? })
    }

    /// Tasks a second of a bare table: a row inserted, claimed and finished, each in a commit of its own, on as many connections as an
    /// API has.
    pub fn table_cycles_per_s(&self, length: Duration) -> Result<f64> {
        self.psql("CREATE TABLE IF NOT EXISTS bench_floor (id bigint PRIMARY KEY, status text NOT NULL, attempt int NOT NULL, payload text NOT NULL)")?;
        let mut script = tempfile::NamedTempFile::new()?;
        writeln!(script, "\\set id random(1, 9000000000000000000)")?;
        writeln!(script, "INSERT INTO bench_floor VALUES (:id, 'queued', 0, '{{}}');")?;
        writeln!(
            script,
            "UPDATE bench_floor SET status = 'running', attempt = 1 WHERE id = :id AND status = 'queued';"
        )?;
        writeln!(
            script,
            "UPDATE bench_floor SET status = 'completed' WHERE id = :id AND attempt = 1 AND status = 'running';"
        )?;
        let seconds = length.as_secs().max(1).to_string();
        let output = Command::new(pgbench()?)
            .args(["--no-vacuum", "--client", CONNECTIONS, "--protocol", "prepared", "--time", &seconds, "--file"])
            .arg(script.path())
            .arg(&self.database_url)
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let per_s = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        self.psql("DROP TABLE bench_floor")?;
        per_s.with_context(|| format!("pgbench said no figure: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// The address of an empty database of that name.
    pub fn fresh_database(&self, name: &str) -> Result<String> {
        self.psql(&format!("DROP DATABASE IF EXISTS {name}"))?;
        self.psql(&format!("CREATE DATABASE {name}"))?;
        Ok(with_last_part(&self.database_url, name))
    }

    /// The same Redis, where nothing of Ortolan's lies.
    pub fn other_redis(&self) -> String {
        with_last_part(&self.redis_url, "15")
    }

    /// Adds tasks to every tenant: ended ones, and ones that are due in an hour.
    pub fn add_tasks(&self, ended: u32, waiting: u32) -> Result<()> {
        const NOW: &str = "(EXTRACT(EPOCH FROM now()) * 1000000)::bigint";
        let insert = |count: u32, status: &str, due: &str, ended: &str| {
            format!(
                "INSERT INTO tasks (id, tenant_id, task_type, queue, priority, config, config_hash, created_at, status, attempt, failures,
                    crashes, version, run_at, completed_at)
                 SELECT gen_random_uuid(), tenants.id, 'noop', 'cpu_jobs', 1, '{{}}', '', {NOW} - number, '{status}', 1, 0, 0, 3,
                    {due}, {ended}
                 FROM tenants, generate_series(1, {count}) AS number"
            )
        };
        self.psql(&insert(ended, "completed", NOW, NOW))?;
        self.psql(&insert(waiting, "pending", &format!("{NOW} + 3600000000"), "NULL"))?;
        self.psql("VACUUM ANALYZE tasks")
    }

    fn psql(&self, statement: &str) -> Result<()> {
        let output = Command::new("psql").args(["-X", "-q", "-c", statement, &self.database_url]).output()?;
        if !output.status.success() {
            bail!("{statement}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }
}

/// The address with another database.
fn with_last_part(url: &str, name: &str) -> String {
    let host = url.rsplit_once('/').map_or(url, |(host, _)| host);
    format!("{host}/{name}")
}

/// Debian keeps it beside the server.
fn pgbench() -> Result<std::path::PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .context("there is no /usr/lib/postgresql")?
        .flatten()
        .map(|version| version.path().join("bin/pgbench"))
        .filter(|program| program.is_file())
        .collect();
    found.sort();
    found.pop().context("there is no pgbench; `./dev setup` installs PostgreSQL")
}
