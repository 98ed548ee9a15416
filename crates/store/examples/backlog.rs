//! How long a dispatch takes over a long backlog: 100,000 pending rows of 200 tenants beside many ended ones.
//!
//! `cargo run --release -p ortolan-store --example backlog -- [FOLDER | postgres://...] [ENDED]`
#![allow(clippy::print_stdout)]

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use ortolan_domain::job::Attempt;
use ortolan_domain::route::QueueName;
use ortolan_domain::{Clock, SystemClock, TenantId, TenantSlug};
use ortolan_store::{DispatchLimits, PostgresSettings, SqliteSettings, Stores, TaskChange, TaskObserver, Tenant};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

const TENANTS: usize = 200;
const PENDING: usize = 100_000;

struct Nobody;

impl TaskObserver for Nobody {
    fn changed(&self, _: &[TaskChange]) {}
}

/// Inserts `count` rows that belong to the tenants in turn.
fn fill(new_id: &str, count: usize, status: &str, ended: &str) -> String {
    format!(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count}),
             t(id, place) AS (SELECT id, ROW_NUMBER() OVER (ORDER BY name) - 1 FROM tenants)
         INSERT INTO tasks (id, tenant_id, task_type, queue, priority, config, config_hash, created_at, status, attempt,
                            failures, crashes, version, run_at, completed_at)
         SELECT {new_id}, t.id, 'noop', 'cpu_jobs', n.i % 3, '{{}}', '', n.i, '{status}', 0, 0, 0, 1, n.i, {ended}
         FROM n JOIN t ON t.place = n.i % {TENANTS}"
    )
}

async fn open(target: &str, ended: usize) -> anyhow::Result<Stores> {
    let postgres = target.starts_with("postgres");
    let file = std::path::Path::new(target).join(format!("backlog-{}.db", TenantId::generate()));
    let stores = match postgres {
        true => Stores::postgres(PostgresSettings::at(target), Arc::new(Nobody)).await?,
        false => Stores::sqlite(SqliteSettings::at(&file), Arc::new(Nobody)).await?,
    };
    stores.migrate().await?;
    for n in 0..TENANTS {
        let name = TenantSlug::parse(&format!("tenant-{n:03}"))?;
        let tenant = Tenant {
            id: TenantId::generate(),
            name,
            display_name: None,
            disabled: false,
            created_at: SystemClock.now(),
        };
        stores.tenants.create_tenant(&tenant).await?;
    }
    let new_id = if postgres { "gen_random_uuid()" } else { "randomblob(16)" };
    for rows in [fill(new_id, ended, "completed", "n.i"), fill(new_id, PENDING, "pending", "NULL")] {
        if postgres {
            sqlx::query(AssertSqlSafe(rows)).execute(&mut PgConnection::connect(target).await?).await?;
        } else {
            let mut connection = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await?;
            sqlx::query(AssertSqlSafe(rows)).execute(&mut connection).await?;
        }
    }
    Ok(stores)
}

async fn dispatch(stores: &Stores, window: u32, per_tenant: u32) -> anyhow::Result<Vec<Attempt>> {
    let begin = Instant::now();
    let limits = DispatchLimits { window, per_tenant };
    let moved = stores.tasks.dispatch(QueueName::CpuJobs, limits, SystemClock.now()).await?;
    let took = begin.elapsed().as_secs_f64() * 1e3;
    println!("window {window:4}, {per_tenant:4} per tenant: {:4} rows in {took:8.2} ms", moved.len());
    Ok(moved.into_iter().map(|change| change.attempt).collect())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let target = arguments.first().cloned().unwrap_or_else(|| std::env::temp_dir().display().to_string());
    let ended: usize = arguments.get(1).map_or(Ok(1_000_000), |text| text.parse())?;
    let stores = open(&target, ended).await?;
    println!("{PENDING} pending, {ended} ended, {TENANTS} tenants");
    let first = dispatch(&stores, 200, 1000).await?;
    let tasks: HashSet<_> = first.iter().map(|attempt| attempt.task_id).collect();
    println!("{} different tasks, in a window of one per tenant", tasks.len());
    for (window, per_tenant) in [(200, 1000), (210, 1000), (1000, 8), (1000, 1000), (1000, 1000), (1010, 1000)] {
        dispatch(&stores, window, per_tenant).await?;
    }
    let begin = Instant::now();
    stores.tasks.depths().await?;
    println!("depths: {:.2} ms", begin.elapsed().as_secs_f64() * 1e3);
    stores.close().await;
    Ok(())
}
