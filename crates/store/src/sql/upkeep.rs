//! What the reconciler does: leases and deliveries that were lost, rows that expired, rows that are old.
//!
//! Rows are chosen in a materialized CTE: PostgreSQL may run a plain subquery more than once, and with `SKIP LOCKED` each
//! time finds others, so that the limit would be exceeded.

use ortolan_domain::job::Attempt;
use ortolan_domain::route::QueueName;
use ortolan_domain::{ErrorCode, Task, TaskId, Timestamp};

use super::binder::{Binder, execute, fetch, fetch_many};
use super::reader::Reader;
use super::tasks::{self, change_columns, task_columns};
use super::{Connection, Row};
use crate::statement::{MAX_ROWS, ManyRows, rounds};
use crate::{StoreError, TaskChange};

/// A row that was running counts as crashed, and fails when it has crashed `$2` times; one that was queued does not.
macro_rules! take_back {
    () => {
        "UPDATE tasks SET version = version + 1, progress = NULL, lease_expires_at = NULL, deadline_at = NULL,
            crashes = CASE WHEN status = 'running' THEN crashes + 1 ELSE crashes END,
            status = CASE WHEN status = 'running' AND crashes + 1 >= $2 THEN 'failed' ELSE 'pending' END,
            completed_at = CASE WHEN status = 'running' AND crashes + 1 >= $2 THEN $1 END,
            error_code = CASE WHEN status = 'running' AND crashes + 1 >= $2 THEN $3 END,
            error_detail = CASE WHEN status = 'running' AND crashes + 1 >= $2 THEN $4 END "
    };
}

pub(super) const LOSE_LEASES: &str = concat!(
    "WITH chosen(id) AS MATERIALIZED (
        SELECT id FROM tasks WHERE status = 'running' AND lease_expires_at < $1 ORDER BY lease_expires_at LIMIT $5",
    skip_locked!(),
    ") ",
    take_back!(),
    "WHERE status = 'running' AND id IN (SELECT chosen.id FROM chosen) RETURNING ",
    change_columns!()
);

const TAKE_BACK_ALL: &str =
    concat!(take_back!(), "WHERE status IN ('queued', 'running') RETURNING ", change_columns!());

/// The values of `take_back`.
fn taking_back(now: Timestamp, max_crashes: i32) -> Binder {
    let detail = format!("its worker was lost {max_crashes} times while it ran this task");
    let values = Binder::default().with(now.as_micros()).with(i64::from(max_crashes));
    values.with(ErrorCode::Poison.as_str()).with(detail)
}

/// Takes back leases that ran out; gives what became of their tasks.
pub(super) async fn lose_leases(
    connection: &mut Connection,
    now: Timestamp,
    max_crashes: i32,
    limit: u32,
    changes: &mut Vec<TaskChange>,
) -> Result<Vec<TaskChange>, StoreError> {
    let values = taking_back(now, max_crashes).with(i64::from(limit));
    hear(fetch(connection, LOSE_LEASES, values).await?, changes)
}

/// Takes back every queued and running row; returns how many.
pub(super) async fn take_back_all(
    connection: &mut Connection,
    now: Timestamp,
    max_crashes: i32,
    changes: &mut Vec<TaskChange>,
) -> Result<u64, StoreError> {
    Ok(hear(fetch(connection, TAKE_BACK_ALL, taking_back(now, max_crashes)).await?, changes)?.len() as u64)
}

pub(super) const QUEUED_BEFORE: &str = "
     SELECT id, attempt FROM tasks
     WHERE status = 'queued' AND queue = $1 AND queued_at < $2 ORDER BY queued_at LIMIT $3";

/// Attempts that are in a queue since before then.
pub(super) async fn queued_before(
    connection: &mut Connection,
    queue: QueueName,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<Attempt>, StoreError> {
    let values = Binder::default().with(queue.as_str()).with(before.as_micros()).with(i64::from(limit));
    let read = |row| {
        let mut row = Reader::new("tasks", row);
        Ok(Attempt { task_id: row.id(TaskId::from_uuid)?, attempt: row.get()? })
    };
    fetch(connection, QUEUED_BEFORE, values).await?.iter().map(read).collect()
}

pub(super) static TAKE_BACK_LOST: ManyRows = ManyRows::new(
    2,
    concat!(
        "WITH given(id, attempt) AS (VALUES {rows})
         UPDATE tasks SET status = 'pending', version = tasks.version + 1
         FROM given WHERE tasks.id = given.id AND tasks.attempt = given.attempt AND tasks.status = 'queued'
         RETURNING ",
        change_columns!()
    ),
);

/// Takes back rows whose deliveries got lost; gives those that moved.
pub(super) async fn take_back_lost(
    connection: &mut Connection,
    attempts: Vec<Attempt>,
    changes: &mut Vec<TaskChange>,
) -> Result<Vec<TaskChange>, StoreError> {
    let mut moved = Vec::new();
    for round in rounds(attempts.iter().map(|attempt| attempt.task_id)) {
        let rows = fetch_many(connection, &TAKE_BACK_LOST, &round, |values, &index| {
            values.add(attempts[index].task_id.as_uuid()).add(attempts[index].attempt);
        });
        moved.extend(hear(rows.await?, changes)?);
    }
    Ok(moved)
}

pub(super) static RUNNING_AMONG: ManyRows = ManyRows::new(
    2,
    "WITH given(id, attempt) AS (VALUES {rows})
     SELECT DISTINCT tasks.id, tasks.attempt FROM tasks JOIN given
        ON tasks.id = given.id AND tasks.attempt = given.attempt WHERE tasks.status = 'running'",
);

/// Which of these attempts are running.
pub(super) async fn running_among(
    connection: &mut Connection,
    attempts: &[Attempt],
) -> Result<Vec<Attempt>, StoreError> {
    let mut running = Vec::new();
    for some in attempts.chunks(MAX_ROWS) {
        let rows = fetch_many(connection, &RUNNING_AMONG, some, |values, attempt| {
            values.add(attempt.task_id.as_uuid()).add(attempt.attempt);
        });
        for row in &rows.await? {
            let mut row = Reader::new("tasks", row);
            running.push(Attempt { task_id: row.id(TaskId::from_uuid)?, attempt: row.get()? });
        }
    }
    Ok(running)
}

pub(super) const EXPIRE: &str = concat!(
    "WITH chosen(id) AS MATERIALIZED (
        SELECT id FROM tasks WHERE status IN ('pending', 'queued') AND expires_at IS NOT NULL AND expires_at <= $1
            AND started_at IS NULL
        ORDER BY expires_at LIMIT $4",
    skip_locked!(),
    ") UPDATE tasks SET status = 'failed', version = version + 1, completed_at = $1, error_code = $2,
        error_detail = $3
     WHERE status IN ('pending', 'queued') AND id IN (SELECT chosen.id FROM chosen)
     RETURNING ",
    change_columns!()
);

/// Fails rows that were not started before they expired.
pub(super) async fn expire(
    connection: &mut Connection,
    now: Timestamp,
    limit: u32,
    changes: &mut Vec<TaskChange>,
) -> Result<Vec<TaskChange>, StoreError> {
    let values = Binder::default().with(now.as_micros()).with(ErrorCode::Expired.as_str());
    let values = values.with("it was not started before it expired").with(i64::from(limit));
    hear(fetch(connection, EXPIRE, values).await?, changes)
}

/// Takes note of the changes and gives them.
fn hear(rows: Vec<Row>, changes: &mut Vec<TaskChange>) -> Result<Vec<TaskChange>, StoreError> {
    let moved = tasks::read_changes(&rows)?;
    changes.extend(moved.iter().cloned());
    Ok(moved)
}

const LONG_RUNNING: &str = concat!(
    "SELECT ",
    task_columns!(),
    " FROM tasks WHERE tasks.status = 'running' AND tasks.started_at < $1 ORDER BY tasks.started_at LIMIT $2"
);

/// Running rows that started before `started_before`.
pub(super) async fn long_running(
    connection: &mut Connection,
    started_before: Timestamp,
    limit: u32,
) -> Result<Vec<Task>, StoreError> {
    let values = Binder::default().with(started_before.as_micros()).with(i64::from(limit));
    fetch(connection, LONG_RUNNING, values).await?.iter().map(tasks::read).collect()
}

pub(super) const DELETE_ENDED: &str = concat!(
    "WITH chosen(id) AS MATERIALIZED (
        SELECT id FROM tasks WHERE completed_at IS NOT NULL AND completed_at < $1 ORDER BY completed_at LIMIT $2",
    skip_locked!(),
    ") DELETE FROM tasks WHERE completed_at IS NOT NULL AND id IN (SELECT chosen.id FROM chosen)"
);

/// Deletes rows that ended before `ended_before`, with their artifacts; returns how many.
pub(super) async fn delete_ended(
    connection: &mut Connection,
    ended_before: Timestamp,
    limit: u32,
) -> Result<u64, StoreError> {
    execute(connection, DELETE_ENDED, Binder::default().with(ended_before.as_micros()).with(i64::from(limit))).await
}
