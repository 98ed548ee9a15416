//! What a task's owner does with it: cancel, retry, enqueue now.
//!
//! Each reads the row's status under a lock (SQLite: inside the one write transaction) and then moves it with a guard, so
//! that the answer can tell the status that it had.

use ortolan_domain::job::Attempt;
use ortolan_domain::{Task, TaskId, TaskStatus, TenantId, Timestamp};

use super::binder::{Binder, execute, fetch, fetch_optional};
use super::reader::Reader;
use super::tasks::{self, change_columns, task_columns};
use super::{Connection, dispatch, lists};
use crate::{CancelOutcome, DeleteOutcome, EnqueueOutcome, RetryOutcome, StoreError, TaskChange};

pub(super) const LOOK: &str = concat!(
    "SELECT tasks.status, tasks.attempt FROM tasks WHERE tasks.tenant_id = $1 AND tasks.id = $2",
    for_update!()
);

/// The status and attempt of the tenant's task, which stay so until this transaction ends.
async fn look(
    connection: &mut Connection,
    tenant: TenantId,
    id: TaskId,
) -> Result<Option<(TaskStatus, i64)>, StoreError> {
    let values = Binder::default().with(tenant.as_uuid()).with(id.as_uuid());
    let Some(row) = fetch_optional(connection, LOOK, values).await? else { return Ok(None) };
    let mut row = Reader::new("tasks", &row);
    Ok(Some((row.word("status", TaskStatus::parse)?, row.get()?)))
}

pub(super) const CANCEL: &str = concat!(
    "UPDATE tasks SET status = 'cancelled', version = version + 1, completed_at = $2, progress = NULL,
        lease_expires_at = NULL, deadline_at = NULL
     WHERE id = $1 AND status IN ('pending', 'queued', 'running')
     RETURNING ",
    change_columns!()
);

/// Moves an open row to `cancelled`.
pub(super) async fn cancel(
    connection: &mut Connection,
    tenant: TenantId,
    id: TaskId,
    now: Timestamp,
    changes: &mut Vec<TaskChange>,
) -> Result<CancelOutcome, StoreError> {
    let Some((was, attempt)) = look(connection, tenant, id).await? else { return Ok(CancelOutcome::NotFound) };
    let rows = fetch(connection, CANCEL, Binder::default().with(id.as_uuid()).with(now.as_micros())).await?;
    if rows.is_empty() {
        return Ok(CancelOutcome::WrongState(was));
    }
    changes.extend(tasks::read_changes(&rows)?);
    Ok(CancelOutcome::Cancelled { was, attempt: Attempt { task_id: id, attempt } })
}

const DELETE: &str = "DELETE FROM tasks WHERE id = $1 AND status IN ('completed', 'failed', 'cancelled')";

/// Deletes an ended row, with its artifacts.
pub(super) async fn delete(
    connection: &mut Connection,
    tenant: TenantId,
    id: TaskId,
) -> Result<DeleteOutcome, StoreError> {
    let Some((was, _)) = look(connection, tenant, id).await? else { return Ok(DeleteOutcome::NotFound) };
    match execute(connection, DELETE, Binder::default().with(id.as_uuid())).await? {
        0 => Ok(DeleteOutcome::WrongState(was)),
        _ => Ok(DeleteOutcome::Deleted),
    }
}

pub(super) const RETRY: &str = concat!(
    "UPDATE tasks SET status = 'pending', version = version + 1, run_at = $2, expires_at = $2 + patience_us,
        failures = 0, crashes = 0, error_code = NULL, error_detail = NULL, queued_at = NULL, started_at = NULL,
        completed_at = NULL, run_id = NULL, worker_id = NULL, lease_expires_at = NULL, deadline_at = NULL,
        progress = NULL, inference_time_ms = NULL
     WHERE id = $1 AND status IN ('failed', 'cancelled')
     RETURNING ",
    task_columns!()
);

/// Moves a failed or cancelled row to `pending`, as if it had just been submitted; its attempts keep counting.
pub(super) async fn retry(
    connection: &mut Connection,
    tenant: TenantId,
    id: TaskId,
    now: Timestamp,
    changes: &mut Vec<TaskChange>,
) -> Result<RetryOutcome, StoreError> {
    let Some((was, _)) = look(connection, tenant, id).await? else { return Ok(RetryOutcome::NotFound) };
    let values = Binder::default().with(id.as_uuid()).with(now.as_micros());
    let Some(row) = fetch_optional(connection, RETRY, values).await? else { return Ok(RetryOutcome::WrongState(was)) };
    let task: Task = tasks::read(&row)?;
    changes.push(tasks::change_of(&task));
    Ok(RetryOutcome::Pending(Box::new(task)))
}

/// Moves a pending row to `queued`.
pub(super) async fn enqueue(
    connection: &mut Connection,
    tenant: TenantId,
    id: TaskId,
    now: Timestamp,
    changes: &mut Vec<TaskChange>,
) -> Result<EnqueueOutcome, StoreError> {
    let Some((was, _)) = look(connection, tenant, id).await? else { return Ok(EnqueueOutcome::NotFound) };
    let moved = dispatch::queue_rows(connection, &[id], now).await?;
    if moved.is_empty() {
        return Ok(EnqueueOutcome::WrongState(was));
    }
    changes.extend(moved);
    let task = lists::get(connection, tenant, id).await?;
    Ok(task.map_or(EnqueueOutcome::NotFound, |task| EnqueueOutcome::Queued(Box::new(task))))
}
