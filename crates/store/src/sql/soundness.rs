//! Rows that do not keep what must always hold.

use ortolan_domain::Timestamp;
use ortolan_domain::invariant::{ArtifactFacts, Violation, check_task};

use super::Connection;
use super::binder::{Binder, fetch};
use super::reader::Reader;
use super::tasks::{self, task_columns};
use crate::StoreError;

/// What [`check_task`] forbids and a database can see for itself: the rows among `$which` that are worth a look.
macro_rules! suspects {
    ($which:literal) => {
        concat!(
            "SELECT ",
            task_columns!(),
            ", (SELECT COUNT(*) FROM artifacts WHERE artifacts.task_id = tasks.id),
               (SELECT COUNT(*) FROM provenances WHERE provenances.task_id = tasks.id)
             FROM tasks
             WHERE ",
            $which,
            " AND ((tasks.status IN ('completed', 'failed', 'cancelled')) <> (tasks.completed_at IS NOT NULL)
                OR (tasks.status = 'failed') <> (tasks.error_code IS NOT NULL)
                OR (tasks.status IN ('queued', 'running', 'completed') AND tasks.attempt < 1)
                OR (tasks.status IN ('running', 'completed')
                    AND (tasks.started_at IS NULL OR tasks.run_id IS NULL OR tasks.worker_id IS NULL))
                OR (tasks.status = 'running' AND tasks.deadline_at IS NULL)
                OR (tasks.status NOT IN ('running', 'completed') AND tasks.deadline_at IS NOT NULL)
                OR tasks.failures < 0 OR tasks.crashes < 0 OR tasks.failures + tasks.crashes > tasks.attempt
                OR tasks.version <= tasks.attempt
                OR tasks.progress < 0 OR tasks.progress > 1
                OR (tasks.status <> 'completed' AND EXISTS (SELECT 1 FROM artifacts WHERE artifacts.task_id = tasks.id)))
             LIMIT $1"
        )
    };
}

const OF_ALL: &str = suspects!("tasks.id IS NOT NULL");

/// Those that have not ended are found by their indexes, those that have by the instant of their end: years of them are not read.
pub(super) const OF_LATE: &str = suspects!(
    "tasks.id IN (SELECT id FROM tasks WHERE status = 'pending' UNION ALL SELECT id FROM tasks WHERE status = 'queued'
        UNION ALL SELECT id FROM tasks WHERE status = 'running'
        UNION ALL SELECT id FROM tasks WHERE completed_at IS NOT NULL AND completed_at >= $2)"
);

/// What does not hold of at most so many rows: of all, or of those that have not ended or ended since then.
pub(super) async fn violations(
    connection: &mut Connection,
    ended_since: Option<Timestamp>,
    limit: u32,
) -> Result<Vec<Violation>, StoreError> {
    let values = Binder::default().with(i64::from(limit));
    let rows = match ended_since {
        Some(since) => fetch(connection, OF_LATE, values.with(since.as_micros())).await?,
        None => fetch(connection, OF_ALL, values).await?,
    };
    let mut found = Vec::new();
    for row in &rows {
        let mut row = Reader::new("tasks", row);
        let task = tasks::read_from(&mut row)?;
        // Artifacts belong to the one provenance of their task, which names their run.
        let (count, provenances): (u64, u64) = (row.number("artifacts")?, row.number("provenances")?);
        found.extend(check_task(&task, &ArtifactFacts { count, runs: provenances.min(count) }));
    }
    Ok(found)
}
