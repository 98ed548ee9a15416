//! Rows of `tasks` and how they are read.

use ortolan_domain::job::Attempt;
use ortolan_domain::origin::{Origin, TraceContext};
use ortolan_domain::route::QueueName;
use ortolan_domain::task::{NewTask, TaskError, TaskInput};
use ortolan_domain::{ErrorCode, MediaId, Priority, RunId, Task, TaskId, TaskStatus, TaskType, TenantId, TenantSlug};
use serde_json::value::RawValue;
use sqlx::types::Uuid;

use super::Row;
use super::reader::Reader;
use crate::{StoreError, TaskChange};

/// The columns of a whole task, in the order in which [`read`] takes them.
macro_rules! task_columns {
    () => {
        "tasks.id, tasks.tenant_id, (SELECT tenants.name FROM tenants WHERE tenants.id = tasks.tenant_id), \
         tasks.task_type, tasks.queue, tasks.priority, tasks.config, tasks.config_hash, tasks.media_id, \
         tasks.object_path, tasks.input_sha256, tasks.created_at, tasks.expires_at, tasks.request_id, \
         tasks.traceparent, tasks.status, tasks.attempt, \
         tasks.failures, tasks.crashes, tasks.version, tasks.run_at, tasks.queued_at, tasks.started_at, \
         tasks.completed_at, tasks.run_id, tasks.worker_id, tasks.deadline_at, tasks.progress, \
         tasks.inference_time_ms, tasks.error_code, tasks.error_detail"
    };
}
pub(super) use task_columns;

/// The columns of a change, in the order in which [`read_change`] takes them.
macro_rules! change_columns {
    () => {
        "tasks.id, tasks.attempt, tasks.tenant_id, (SELECT tenants.name FROM tenants WHERE tenants.id = tasks.tenant_id), \
         tasks.queue, tasks.status, tasks.version, tasks.has_callbacks"
    };
}
pub(super) use change_columns;

/// Reads [`task_columns`].
pub(super) fn read(row: &Row) -> Result<Task, StoreError> {
    read_from(&mut Reader::new("tasks", row))
}

/// The same where they stand before others.
pub(super) fn read_from(row: &mut Reader<'_>) -> Result<Task, StoreError> {
    Ok(Task {
        spec: read_spec(row)?,
        status: row.word("status", TaskStatus::parse)?,
        attempt: row.get()?,
        failures: row.number("failures")?,
        crashes: row.number("crashes")?,
        version: row.get()?,
        run_at: row.at()?,
        queued_at: row.maybe_at()?,
        started_at: row.maybe_at()?,
        completed_at: row.maybe_at()?,
        run_id: row.get::<Option<Uuid>>()?.map(RunId::from_uuid),
        worker_id: row.get()?,
        deadline_at: row.maybe_at()?,
        progress: row.get()?,
        inference_time_ms: row.get()?,
        error: read_error(row)?,
    })
}

fn read_spec(row: &mut Reader<'_>) -> Result<NewTask, StoreError> {
    Ok(NewTask {
        id: row.id(TaskId::from_uuid)?,
        tenant_id: row.id(TenantId::from_uuid)?,
        tenant: row.word("tenant_id", |name| TenantSlug::parse(name).ok())?,
        task_type: row.word("task_type", TaskType::parse)?,
        queue: row.word("queue", QueueName::parse)?,
        priority: Priority::from_rank(row.number("priority")?).ok_or_else(|| row.inconsistent("priority"))?,
        config: row.word("config", |json| RawValue::from_string(json.to_owned()).ok())?,
        config_hash: row.get()?,
        input: read_input(row)?,
        created_at: row.at()?,
        expires_at: row.maybe_at()?,
        origin: read_origin(row)?,
    })
}

/// A trace that cannot be read is none: nothing depends on it.
fn read_origin(row: &mut Reader<'_>) -> Result<Origin, StoreError> {
    let (request_id, trace): (Option<String>, Option<&str>) = (row.get()?, row.get()?);
    Ok(Origin { request_id, trace: trace.and_then(TraceContext::parse) })
}

fn read_input(row: &mut Reader<'_>) -> Result<Option<TaskInput>, StoreError> {
    let media_id = row.get::<Option<Uuid>>()?.map(MediaId::from_uuid);
    let (object_path, sha256): (Option<String>, Option<String>) = (row.get()?, row.get()?);
    let input = object_path.zip(sha256);
    Ok(input.map(|(object_path, sha256)| TaskInput { media_id, object_path, sha256 }))
}

/// Reads code and detail of an error.
pub(super) fn read_error(row: &mut Reader<'_>) -> Result<Option<TaskError>, StoreError> {
    let (code, detail): (Option<&str>, Option<String>) = (row.get()?, row.get()?);
    let Some(code) = code else { return Ok(None) };
    let code = ErrorCode::parse(code).ok_or_else(|| row.inconsistent("error_code"))?;
    Ok(Some(TaskError { code, detail: detail.unwrap_or_default() }))
}

/// Reads [`change_columns`], which may stand before others.
pub(super) fn read_change(row: &mut Reader<'_>) -> Result<TaskChange, StoreError> {
    Ok(TaskChange {
        attempt: Attempt { task_id: row.id(TaskId::from_uuid)?, attempt: row.get()? },
        tenant_id: row.id(TenantId::from_uuid)?,
        tenant: row.word("tenant_id", |name| TenantSlug::parse(name).ok())?,
        queue: row.word("queue", QueueName::parse)?,
        status: row.word("status", TaskStatus::parse)?,
        version: row.get()?,
        has_callbacks: row.get()?,
    })
}

/// Reads rows of [`change_columns`].
pub(super) fn read_changes(rows: &[Row]) -> Result<Vec<TaskChange>, StoreError> {
    rows.iter().map(|row| read_change(&mut Reader::new("tasks", row))).collect()
}

/// What a task that has not ended tells observers when it has just changed.
pub(super) fn change_of(task: &Task) -> TaskChange {
    TaskChange {
        attempt: Attempt { task_id: task.spec.id, attempt: task.attempt },
        tenant_id: task.spec.tenant_id,
        tenant: task.spec.tenant.clone(),
        queue: task.spec.queue,
        status: task.status,
        version: task.version,
        has_callbacks: false,
    }
}
