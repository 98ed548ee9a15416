//! What must always hold, as pure predicates, so that every test asks the same: of one task, of two looks at it, of its
//! whole history, and of all tasks together.

use std::fmt;

use crate::id::TaskId;
use crate::task::{Task, TaskStatus};

/// A broken invariant, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{subject}: {what}")]
pub struct Violation {
    /// What it is about, for instance `task 0197...`.
    pub subject: String,
    /// What does not hold.
    pub what: String,
}

/// Gathers what does not hold about one subject.
struct Findings {
    subject: String,
    broken: Vec<Violation>,
}

impl Findings {
    fn of(subject: impl fmt::Display) -> Self {
        Self { subject: subject.to_string(), broken: Vec::new() }
    }

    fn of_task(id: TaskId) -> Self {
        Self::of(format_args!("task {id}"))
    }

    fn must(&mut self, holds: bool, what: &str) {
        if !holds {
            self.broken.push(Violation { subject: self.subject.clone(), what: what.to_owned() });
        }
    }
}

/// What the artifacts of one task look like from outside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArtifactFacts {
    /// How many there are.
    pub count: u64,
    /// How many different runs they come from.
    pub runs: u64,
}

/// Checks one task and its artifacts.
pub fn check_task(task: &Task, artifacts: &ArtifactFacts) -> Vec<Violation> {
    use TaskStatus::{Completed, Failed, Queued, Running};
    let mut found = Findings::of_task(task.spec.id);
    let status = task.status;
    found.must(artifacts.count == 0 || status == Completed, "has artifacts without being completed");
    found.must(artifacts.runs <= 1, "has artifacts of more than one run");
    found
        .must((artifacts.count > 0) == (artifacts.runs > 0), "has artifacts without a run, or a run without artifacts");
    found.must(status.is_terminal() == task.completed_at.is_some(), "has an end time exactly when it has ended");
    found.must((status == Failed) == task.error.is_some(), "has an error exactly when it failed");
    found.must(!matches!(status, Queued | Running | Completed) || task.attempt > 0, "moves without an attempt");
    found.must(!matches!(status, Running | Completed) || task.started_at.is_some(), "runs without a start time");
    let has_owner = task.run_id.is_some() && task.worker_id.is_some();
    found.must(!matches!(status, Running | Completed) || has_owner, "runs without a run and its worker");
    found.must(status != Running || task.deadline_at.is_some(), "runs without a deadline");
    let may_have_deadline = matches!(status, Running | Completed);
    found.must(may_have_deadline || task.deadline_at.is_none(), "has a deadline and does not run");
    let counts = [i64::from(task.failures), i64::from(task.crashes), task.attempt];
    found.must(counts.iter().all(|&count| count >= 0), "counts below zero");
    found.must(counts[0].saturating_add(counts[1]) <= task.attempt, "failed and crashed more often than it was tried");
    found.must(task.version > task.attempt, "was dispatched more often than it changed");
    found.must(task.progress.is_none_or(|share| (0.0..=1.0).contains(&share)), "has more than all of its progress");
    found.broken
}

/// Checks two looks at the same task, the earlier one first.
pub fn check_step(before: &Task, after: &Task) -> Vec<Violation> {
    let mut found = Findings::of_task(before.spec.id);
    found.must(before.spec.id == after.spec.id, "became another task");
    found.must(before.spec.config_hash == after.spec.config_hash, "changed its configuration");
    found.must(before.spec.input == after.spec.input, "changed its input");
    let (moved, tried) = (after.version - before.version, after.attempt - before.attempt);
    found.must(moved >= 0, "went back to an earlier version");
    // A dispatch that the queue did not take is not counted after all.
    let uncounted = i64::from(before.status == TaskStatus::Queued);
    found.must((-uncounted..=moved.max(0)).contains(&tried), "counted attempts that were not dispatched");
    let counts = |task: &Task| (task.status, task.attempt, task.failures, task.crashes, task.run_id);
    found.must(moved != 0 || counts(before) == counts(after), "changed without a new version");
    let was_completed = before.status == TaskStatus::Completed;
    found.must(!was_completed || (moved == 0 && after.status == TaskStatus::Completed), "was moved out of completed");
    if moved == 1 {
        let (earlier, later) = (Moment::of(before), Moment::of(after));
        let is_legal = is_legal(before.status, after.status);
        found.must(is_legal, &format!("{} became {}", before.status, after.status));
        found.must(!is_legal || later.follows(&earlier), "did not count its attempts with its dispatches");
    }
    found.broken
}

/// A committed change of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The status that it got.
    pub status: TaskStatus,
    /// Its attempt then.
    pub attempt: i64,
    /// Its version with this change.
    pub version: i64,
}

impl Moment {
    /// The latest change of a task.
    pub const fn of(task: &Task) -> Self {
        Self { status: task.status, attempt: task.attempt, version: task.version }
    }

    /// True when this change can come right after `before`: a legal move, one version on, with one more attempt exactly
    /// when it is a dispatch, and one less at most when its delivery was not sent.
    fn follows(&self, before: &Self) -> bool {
        let tried = self.attempt - before.attempt;
        let is_counted = match (before.status, self.status) {
            (_, TaskStatus::Queued) => tried == 1,
            (TaskStatus::Queued, TaskStatus::Pending) => tried == 0 || tried == -1,
            _ => tried == 0,
        };
        is_legal(before.status, self.status) && self.version == before.version + 1 && is_counted
    }
}

/// Checks all changes of a task, the first one first.
pub fn check_history(id: TaskId, moments: &[Moment]) -> Vec<Violation> {
    let mut found = Findings::of_task(id);
    let born = Moment { status: TaskStatus::Pending, attempt: 0, version: 1 };
    found.must(moments.first() == Some(&born), "does not begin pending, without an attempt, at version 1");
    for pair in moments.windows(2) {
        found.must(pair[1].follows(&pair[0]), &format!("{:?} followed {:?}", pair[1], pair[0]));
    }
    found.broken
}

/// How many tasks were accepted and where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    /// Submissions that were answered with success and not deleted since.
    pub accepted: u64,
    /// Rows that have not ended.
    pub open: u64,
    /// Rows that ended well.
    pub completed: u64,
    /// Rows that failed.
    pub failed: u64,
    /// Rows that were cancelled.
    pub cancelled: u64,
}

impl Census {
    /// Counts one row.
    pub const fn count(&mut self, status: TaskStatus) {
        match status {
            TaskStatus::Pending | TaskStatus::Queued | TaskStatus::Running => self.open += 1,
            TaskStatus::Completed => self.completed += 1,
            TaskStatus::Failed => self.failed += 1,
            TaskStatus::Cancelled => self.cancelled += 1,
        }
    }
}

/// Checks that no accepted task was lost and none came from nowhere; when all work is over, that every one has ended.
pub fn check_census(census: &Census, is_over: bool) -> Vec<Violation> {
    let mut found = Findings::of("all tasks");
    let there = census.open + census.completed + census.failed + census.cancelled;
    found.must(there >= census.accepted, "some that were accepted are gone");
    found.must(there <= census.accepted, "there are more than were accepted");
    found.must(!is_over || census.open == 0, "some never ended");
    found.broken
}

/// True when an observed change of status is one of the legal moves.
pub fn is_legal(from: TaskStatus, to: TaskStatus) -> bool {
    from.may_become(to)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::value::RawValue;

    use super::*;
    use crate::origin::Origin;
    use crate::route::QueueName;
    use crate::task::{NewTask, Priority, TaskType};
    use crate::{RunId, TenantId, TenantSlug, Timestamp};

    fn pending() -> Task {
        let now = Timestamp::from_micros(1);
        let spec = NewTask {
            id: TaskId::generate(),
            tenant_id: TenantId::generate(),
            tenant: TenantSlug::parse("acme").unwrap(),
            task_type: TaskType::Noop,
            queue: QueueName::CpuJobs,
            priority: Priority::Normal,
            config: RawValue::from_string("{}".to_owned()).unwrap(),
            config_hash: "c".repeat(64),
            input: None,
            created_at: now,
            expires_at: None,
            origin: Origin::default(),
        };
        Task::pending(spec)
    }

    fn completed() -> Task {
        let now = Some(Timestamp::from_micros(2));
        let owner = (Some(RunId::generate()), Some("worker".to_owned()));
        let (run_id, worker_id) = owner;
        let (status, attempt, version) = (TaskStatus::Completed, 1, 4);
        Task { status, attempt, version, started_at: now, completed_at: now, run_id, worker_id, ..pending() }
    }

    fn words(broken: &[Violation]) -> Vec<&str> {
        broken.iter().map(|violation| violation.what.as_str()).collect()
    }

    #[test]
    fn a_sound_task_breaks_nothing() {
        assert_eq!(check_task(&pending(), &ArtifactFacts::default()), []);
        assert_eq!(check_task(&completed(), &ArtifactFacts { count: 3, runs: 1 }), []);
    }

    #[test]
    fn each_broken_field_is_named() {
        let facts = ArtifactFacts::default();
        let one = |change: fn(&mut Task)| {
            let mut task = completed();
            change(&mut task);
            check_task(&task, &ArtifactFacts::default())
        };
        assert_eq!(words(&one(|task| task.completed_at = None)), ["has an end time exactly when it has ended"]);
        assert_eq!(words(&one(|task| task.worker_id = None)), ["runs without a run and its worker"]);
        assert_eq!(words(&one(|task| task.failures = 2)), ["failed and crashed more often than it was tried"]);
        assert_eq!(words(&one(|task| task.version = 1)), ["was dispatched more often than it changed"]);
        assert_eq!(words(&one(|task| task.progress = Some(1.5))), ["has more than all of its progress"]);
        let early = check_task(&pending(), &ArtifactFacts { count: 1, runs: 1 });
        assert_eq!(words(&early), ["has artifacts without being completed"]);
        let late = Task { deadline_at: Some(Timestamp::from_micros(9)), ..pending() };
        assert_eq!(words(&check_task(&late, &facts)), ["has a deadline and does not run"]);
    }

    #[test]
    fn two_looks_agree_only_along_legal_moves() {
        let (before, done) = (pending(), completed());
        let queued = Task { status: TaskStatus::Queued, attempt: 1, version: 2, ..before.clone() };
        assert_eq!(check_step(&before, &queued), []);
        let silent = Task { attempt: 0, ..queued.clone() };
        assert_eq!(words(&check_step(&before, &silent)), ["did not count its attempts with its dispatches"]);
        let unversioned = Task { version: 1, ..queued.clone() };
        assert!(words(&check_step(&before, &unversioned)).contains(&"changed without a new version"));
        assert!(words(&check_step(&queued, &before)).contains(&"went back to an earlier version"));
        let again = Task { status: TaskStatus::Pending, version: 5, ..done.clone() };
        assert!(words(&check_step(&done, &again)).contains(&"was moved out of completed"));
    }

    #[test]
    fn a_history_has_no_gaps_and_no_illegal_moves() {
        use TaskStatus::{Completed, Pending, Queued, Running};
        let moment = |(status, attempt, version)| Moment { status, attempt, version };
        let id = TaskId::generate();
        let life = [(Pending, 0, 1), (Queued, 1, 2), (Running, 1, 3), (Completed, 1, 4)].map(moment);
        assert_eq!(check_history(id, &life), []);
        assert_eq!(check_history(id, &life[1..]).len(), 1);
        assert_eq!(check_history(id, &[life[0], life[2]]).len(), 1);
        let not_sent = [(Pending, 0, 1), (Queued, 1, 2), (Pending, 0, 3), (Queued, 1, 4), (Running, 1, 5)].map(moment);
        assert_eq!(check_history(id, &not_sent), []);
        let forgotten = [(Pending, 0, 1), (Queued, 1, 2), (Running, 1, 3), (Pending, 0, 4)].map(moment);
        assert_eq!(check_history(id, &forgotten).len(), 1, "what ran counts");
        let doubled = [life[0], life[1], Moment { attempt: 2, ..life[2] }];
        assert_eq!(check_history(id, &doubled).len(), 1);
    }

    #[test]
    fn nothing_is_lost_and_nothing_comes_from_nowhere() {
        let mut census = Census { accepted: 6, ..Census::default() };
        TaskStatus::ALL.into_iter().for_each(|status| census.count(status));
        assert_eq!(check_census(&census, false), []);
        assert_eq!(words(&check_census(&census, true)), ["some never ended"]);
        assert_eq!(check_census(&Census { accepted: 7, ..census }, false).len(), 1);
        assert_eq!(check_census(&Census { accepted: 5, ..census }, false).len(), 1);
    }
}
