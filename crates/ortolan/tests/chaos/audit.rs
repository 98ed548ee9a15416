//! What must hold once everything has ended: in the rows, in the moves that led to them, in the broker and over HTTP.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::{Context, Result};
use ortolan_domain::Timestamp;
use ortolan_domain::invariant::{ArtifactFacts, Moment, check_history, check_task};
use ortolan_domain::{Task, TaskStatus};
use ortolan_store::{PostgresSettings, Stores, TaskChange, TaskFilter, TaskObserver};
use ortolan_testkit::query;
use serde_json::Value;

use crate::installation::Installation;
use crate::ledger::{Accepted, Kind, Ledger};

/// How many shapes the picture has.
const SHAPES: u64 = 10;
/// Tasks that are looked at over HTTP, spread over the whole run.
const LOOKS: usize = 400;

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Tasks by status and, for failed ones, by error.
    pub statuses: BTreeMap<String, u64>,
    /// Acknowledged tasks that are gone or never ended.
    pub lost: u64,
    /// Tasks that nobody ordered, and tasks that completed more than once.
    pub doubled: u64,
    /// Moves that the table of moves does not have, and attempts that did not grow as they must.
    pub illegal: u64,
    /// Everything that does not hold, in words.
    pub violations: Vec<String>,
}

struct Deaf;

impl TaskObserver for Deaf {
    fn changed(&self, _: &[TaskChange]) {}
}

/// Looks at everything.
pub async fn audit(installation: &Installation, ledger: &Ledger) -> Result<Findings> {
    let mut findings = Findings::default();
    let (url, accepted) = (installation.database_url(), ledger.accepted());
    rows(&url, &accepted, &mut findings).await?;
    moves(&url, &mut findings)?;
    over_http(installation, &accepted, &mut findings).await?;
    permits(installation, &mut findings).await?;
    broker(installation, &mut findings).await?;
    Ok(findings)
}

/// Each acknowledged order is one row, which has ended and holds what its status says.
async fn rows(url: &str, accepted: &[Accepted], findings: &mut Findings) -> Result<()> {
    let stores = Stores::postgres(PostgresSettings::at(url), Arc::new(Deaf)).await?;
    let tenants = stores.tenants.tenants(100, 0).await?.items;
    let artifacts = artifact_facts(url)?;
    let mut tasks = HashMap::new();
    for tenant in &tenants {
        loop {
            let filter = TaskFilter { limit: 100, offset: seen_of(&tasks, tenant.id), ..TaskFilter::default() };
            let page = stores.tasks.list(tenant.id, &filter, Timestamp::from_micros(0)).await?;
            if page.items.is_empty() {
                break;
            }
            tasks.extend(page.items.into_iter().map(|task| (task.spec.id.to_string(), task)));
        }
    }
    stores.close().await;
    for (id, task) in &tasks {
        let error = task.error.as_ref().map(|error| format!(" ({})", error.code));
        *findings.statuses.entry(format!("{}{}", task.status, error.unwrap_or_default())).or_default() += 1;
        let facts = artifacts.get(id).cloned().unwrap_or_default();
        findings.violations.extend(check_task(task, &facts.0).into_iter().map(|violation| violation.to_string()));
        if facts.0.count > 0 && facts.1 != task.run_id.map(|run| run.to_string()) {
            findings.violations.push(format!("task {id}: its artifacts come from another run than its last"));
        }
    }
    for order in accepted {
        match tasks.get(&order.id) {
            Some(task) if task.status.is_terminal() => {
                findings.violations.extend(wrong_end(order, task, &artifacts));
            }
            Some(task) => lose(findings, format!("task {} is {}", order.id, task.status)),
            None => lose(findings, format!("task {} is gone", order.id)),
        }
    }
    let unordered = (tasks.len() as u64).saturating_sub(accepted.len() as u64);
    if unordered > 0 {
        findings.doubled += unordered;
        findings.violations.push(format!("{unordered} tasks that nobody ordered"));
    }
    Ok(())
}

fn seen_of(tasks: &HashMap<String, Task>, tenant: ortolan_domain::TenantId) -> u64 {
    tasks.values().filter(|task| task.spec.tenant_id == tenant).count() as u64
}

fn lose(findings: &mut Findings, what: String) {
    findings.lost += 1;
    findings.violations.push(format!("lost: {what}"));
}

type Facts = (ArtifactFacts, Option<String>);

fn artifact_facts(url: &str) -> Result<HashMap<String, Facts>> {
    let rows = query(
        url,
        "SELECT artifacts.task_id, COUNT(*), COUNT(DISTINCT provenances.run_id), MIN(provenances.run_id::text)
         FROM artifacts JOIN provenances USING (task_id) GROUP BY artifacts.task_id",
    )?;
    let facts = |row: Vec<String>| {
        let facts = ArtifactFacts { count: row[1].parse()?, runs: row[2].parse()? };
        Ok((row[0].clone(), (facts, Some(row[3].clone()))))
    };
    rows.into_iter().map(facts).collect()
}

/// A picture has its shapes once, a no-op nothing. Nothing that was ordered can fail by itself, and no fault may make it.
fn wrong_end(order: &Accepted, task: &Task, artifacts: &HashMap<String, Facts>) -> Option<String> {
    if task.status == TaskStatus::Failed {
        return Some(format!("task {} failed: {:?}", order.id, task.error));
    }
    let count = artifacts.get(&order.id).map_or(0, |facts| facts.0.count);
    let wanted = if task.status == TaskStatus::Completed && order.kind == Kind::Detection { SHAPES } else { 0 };
    (count != wanted).then(|| format!("task {}, {}, has {count} artifacts instead of {wanted}", order.id, task.status))
}

/// Every move is in the table of moves, attempts grow by one with each dispatch, and nothing completes twice.
fn moves(url: &str, findings: &mut Findings) -> Result<()> {
    let rows = query(url, "SELECT task_id, new, attempt, version FROM moves ORDER BY task_id, version, id")?;
    let born = Moment { status: TaskStatus::Pending, attempt: 0, version: 1 };
    for task in rows.chunk_by(|one, next| one[0] == next[0]) {
        let mut moments = vec![born];
        for row in task {
            let status = TaskStatus::parse(&row[1]).context("an unknown status")?;
            moments.push(Moment { status, attempt: row[2].parse()?, version: row[3].parse()? });
        }
        let broken = check_history(task[0][0].parse()?, &moments);
        findings.illegal += broken.len() as u64;
        findings.violations.extend(broken.iter().map(ToString::to_string));
        let completed = moments.iter().filter(|moment| moment.status == TaskStatus::Completed).count();
        if completed > 1 {
            findings.doubled += 1;
            findings.violations.push(format!("task {} completed {completed} times", task[0][0]));
        }
    }
    Ok(())
}

/// Clients see what the database holds.
async fn over_http(installation: &Installation, accepted: &[Accepted], findings: &mut Findings) -> Result<()> {
    let step = (accepted.len() / LOOKS).max(1);
    for order in accepted.iter().step_by(step) {
        let tenant = &installation.customers[order.customer].tenant;
        let task = tenant.task(&order.id).await?;
        let status = task["status"].as_str().and_then(TaskStatus::parse);
        let seen = tenant.artifacts(&order.id).await?.len() as u64;
        let is_whole = status == Some(TaskStatus::Completed) && order.kind == Kind::Detection;
        let wanted = if is_whole { SHAPES } else { 0 };
        if !status.is_some_and(TaskStatus::is_terminal) || seen != wanted {
            findings.violations.push(format!("over HTTP task {} is {status:?} with {seen} artifacts", order.id));
        }
    }
    Ok(())
}

/// No permit is out, and nobody waits for one.
async fn permits(installation: &Installation, findings: &mut Findings) -> Result<()> {
    for base in &installation.ml_services {
        let health: Value = reqwest::get(format!("{base}/internal/v1/health")).await?.json().await?;
        for device in health["devices"].as_array().into_iter().flatten() {
            if device["running"] != 0 || device["waiting"] != 0 {
                findings.violations.push(format!("permits of {base} are still out: {device}"));
            }
        }
    }
    Ok(())
}

/// Nothing is left to deliver, and once it was cleaned up the broker keeps nothing of what has ended.
async fn broker(installation: &Installation, findings: &mut Findings) -> Result<()> {
    let tenant = &installation.customers[0].tenant;
    tenant.post("/tasks/reconcile", serde_json::json!({})).await?.expect(200)?;
    for queue in ["gpu_jobs", "cpu_jobs", "ml_jobs"] {
        let key = |suffix: &str| format!("{{ortolan:{queue}}}:{suffix}");
        let counts = [("LLEN", "active"), ("ZCARD", "scheduled"), ("HLEN", "data")];
        for (command, suffix) in counts {
            let left = installation.redis.command(&[command, &key(suffix)])?;
            if left != "0" {
                findings.violations.push(format!("{queue}: {left} entries are left in {suffix}"));
            }
        }
        let meta = installation.redis.command(&["--scan", "--pattern", &format!("{{ortolan:{queue}}}:meta:*")])?;
        if meta.lines().count() > 0 {
            findings.violations.push(format!("{queue}: {} jobs left their metadata", meta.lines().count()));
        }
    }
    Ok(())
}
