//! The audit: looks at every task after every action, beside what was seen and heard of it before.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use ortolan_domain::invariant::{self, ArtifactFacts, Census, Violation};
use ortolan_domain::job::Attempt;
use ortolan_domain::{Clock, RunId, Task, TaskId, TaskStatus, Timestamp};
use ortolan_store::TaskFilter;

use super::action::Action;
use super::world::{LIMITS, UNDELIVERED_AFTER, World};
use crate::Heard;

/// What is known of the past.
pub(super) struct Audit {
    heard: Arc<Heard>,
    seen: HashMap<TaskId, Task>,
    /// Until when each attempt's lease was promised to its worker.
    leases: HashMap<Attempt, Timestamp>,
    /// What ML services made for each attempt: more than once where the first was away for longer than its lock.
    products: HashMap<Attempt, Vec<(RunId, u64)>>,
}

impl Audit {
    pub(super) fn new(heard: Arc<Heard>) -> Self {
        Self { heard, seen: HashMap::new(), leases: HashMap::new(), products: HashMap::new() }
    }

    /// Notes that a worker was promised a lease.
    pub(super) fn leased(&mut self, attempt: Attempt, until: Timestamp) {
        self.leases.insert(attempt, until);
    }

    /// Notes that a worker asked for a lease and did not hear whether it got it: after clocks were turned back, it may be shorter than the one
    /// before.
    pub(super) fn perhaps_leased(&mut self, attempt: Attempt, until: Timestamp) {
        self.leases.entry(attempt).and_modify(|known| *known = until.min(*known));
    }

    /// Notes what the ML service made.
    pub(super) fn produced(&mut self, attempt: Attempt, run: RunId, count: u64) {
        self.products.entry(attempt).or_default().push((run, count));
    }

    /// How a task stood at the last look.
    pub(super) fn status(&self, id: TaskId) -> Option<TaskStatus> {
        self.seen.get(&id).map(|task| task.status)
    }

    /// True when all of so many tasks have ended.
    pub(super) fn is_over(&self, count: usize) -> bool {
        self.seen.values().filter(|task| task.status.is_terminal()).count() == count
    }

    /// Checks what came between two looks at a task.
    fn check_between(&self, task: &Task, action: Option<Action>, now: Timestamp) -> Result<()> {
        let Some(before) = self.seen.get(&task.spec.id) else { return Ok(()) };
        sound(&invariant::check_step(before, task))?;
        let (was, is) = (before.status, task.status);
        let is_restart = action == Some(Action::RestartAll);
        let is_retry = matches!(action, Some(Action::Retry { .. }));
        ensure!(!was.is_terminal() || was == is || is_retry, "{was} became {is} without its owner's retry");
        let last_attempt = Attempt { task_id: task.spec.id, attempt: before.attempt };
        if task.crashes > before.crashes && was == TaskStatus::Running && !is_restart {
            let until = self.leases.get(&last_attempt).copied().unwrap_or_default();
            ensure!(until < now, "a lease until {until} was taken away at {now}");
        }
        let was_undelivered = was == TaskStatus::Queued && is == TaskStatus::Pending && task.attempt == before.attempt;
        if was_undelivered && matches!(action, Some(Action::Reconcile { .. })) {
            let queued_at = before.queued_at.context("queued without a time")?;
            ensure!(now.since(queued_at) > UNDELIVERED_AFTER, "a delivery of {queued_at} was given up at {now}");
        }
        Ok(())
    }

    /// Checks that the artifacts of a completed task are what the ML service made for its last run.
    fn check_product(&self, task: &Task, facts: &ArtifactFacts, run: Option<RunId>) -> Result<()> {
        if task.status != TaskStatus::Completed {
            return Ok(());
        }
        let attempt = Attempt { task_id: task.spec.id, attempt: task.attempt };
        let made = self.products.get(&attempt).context("completed without an answer to its last attempt")?;
        ensure!(made.iter().any(|(_, count)| *count == facts.count), "has {} artifacts of {made:?}", facts.count);
        let is_own = made.iter().any(|(run, _)| task.run_id == Some(*run));
        ensure!(is_own, "completed by another run than it was claimed by");
        ensure!(run.is_none() || run == task.run_id, "has artifacts of another run");
        Ok(())
    }
}

/// Turns violations into an error.
fn sound(violations: &[Violation]) -> Result<()> {
    ensure!(violations.is_empty(), "{}", violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
    Ok(())
}

impl World {
    /// Looks at everything.
    pub(super) async fn check(&mut self, action: Option<Action>) -> Result<()> {
        let tasks = self.look().await?;
        let mut census = Census { accepted: self.tasks.len() as u64, ..Census::default() };
        tasks.iter().for_each(|task| census.count(task.status));
        sound(&invariant::check_census(&census, false))?;
        self.check_window(&tasks, action)?;
        for task in tasks {
            let number = self.number(task.spec.id);
            self.check_one(&task, action).await.with_context(|| format!("task t{number}"))?;
            self.audit.seen.insert(task.spec.id, task);
        }
        Ok(())
    }

    /// All tasks of all tenants.
    async fn look(&self) -> Result<Vec<Task>> {
        let mut tasks = Vec::new();
        for tenant in &self.tenants {
            let filter = TaskFilter { limit: 1_000, ..TaskFilter::default() };
            tasks.extend(self.stores.tasks.list(tenant.id, &filter, self.clock.now()).await?.items);
        }
        Ok(tasks)
    }

    async fn check_one(&self, task: &Task, action: Option<Action>) -> Result<()> {
        let id = task.spec.id;
        if self.audit.seen.get(&id).is_some_and(|before| before.version == task.version) {
            return sound(&invariant::check_step(&self.audit.seen[&id], task));
        }
        self.audit.check_between(task, action, self.clock.now())?;
        sound(&invariant::check_history(id, &self.audit.heard.moments(id)))?;
        let page = self.stores.tasks.artifacts(task.spec.tenant_id, id, 1_000, 0).await?.context("it is gone")?;
        let runs: std::collections::BTreeSet<_> = page.items.iter().map(|one| one.provenance.run_id).collect();
        let facts = ArtifactFacts { count: page.total, runs: runs.len() as u64 };
        sound(&invariant::check_task(task, &facts))?;
        self.audit.check_product(task, &facts, runs.first().copied())
    }

    /// A pass of the dispatcher never fills a queue beyond its window.
    fn check_window(&self, tasks: &[Task], action: Option<Action>) -> Result<()> {
        let fills =
            matches!(action, Some(Action::Dispatch { .. } | Action::DispatchAndDie { .. } | Action::Reconcile { .. }));
        for queue in ortolan_domain::route::QueueName::TASKS.iter().filter(|_| fills) {
            let queued = |task: &&Task| task.status == TaskStatus::Queued && task.spec.queue == *queue;
            let before = self.audit.seen.values().filter(queued).count();
            let after = tasks.iter().filter(queued).count();
            let most = before.max(LIMITS.window as usize);
            ensure!(after <= most, "{after} rows are queued in {queue}, whose window has {}", LIMITS.window);
        }
        Ok(())
    }
}
