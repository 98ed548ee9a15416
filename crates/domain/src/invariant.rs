//! What must always hold, as pure predicates, so that every test asks the same.

use crate::task::{Task, TaskStatus};

/// A broken invariant, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("task {task}: {what}")]
pub struct Violation {
    /// The task.
    pub task: String,
    /// What does not hold.
    pub what: String,
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
    let mut broken = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            broken.push(Violation { task: task.spec.id.to_string(), what: what.to_owned() });
        }
    };
    let status = task.status;
    must(artifacts.count == 0 || status == TaskStatus::Completed, "has artifacts without being completed");
    must(artifacts.runs <= 1, "has artifacts of more than one run");
    must(status.is_terminal() == task.completed_at.is_some(), "has an end time exactly when it has ended");
    must(status != TaskStatus::Running || task.started_at.is_some(), "runs without a start time");
    must((status == TaskStatus::Failed) == task.error.is_some(), "has an error exactly when it failed");
    must(!matches!(status, TaskStatus::Queued | TaskStatus::Running) || task.attempt > 0, "moves without an attempt");
    broken
}

/// True when an observed change of status is one of the legal moves.
pub fn is_legal(from: TaskStatus, to: TaskStatus) -> bool {
    from.may_become(to)
}
