//! Submitting: many new rows, each with or without an `Idempotency-Key`, in one transaction.

use ortolan_domain::task::NewTask;
use ortolan_domain::{Task, TaskId, TenantId};
use sqlx::types::Uuid;

use super::binder::{Binder, fetch_many};
use super::keys::{self, KeyClaim, KeyHolder, Scope};
use super::tasks::change_of;
use super::{Connection, callbacks, lists, tenants};
use crate::statement::{ManyRows, rounds};
use crate::{Idempotency, NewCallback, StoreError, Submission, TaskChange};

/// A wish to submit a task.
pub(super) struct Submit {
    pub(super) task: NewTask,
    pub(super) idempotency: Option<Idempotency>,
    pub(super) callbacks: Vec<NewCallback>,
}

impl Submit {
    /// True when nothing but its row is written.
    pub(super) fn is_one_row(&self) -> bool {
        self.idempotency.is_none() && self.callbacks.is_empty()
    }
}

static INSERT: ManyRows = ManyRows::new(
    15,
    "WITH given(id, tenant_id, task_type, queue, priority, config, config_hash, media_id, object_path, input_sha256,
                created_at, expires_at, request_id, traceparent, has_callbacks) AS (VALUES {rows})
     INSERT INTO tasks (id, tenant_id, task_type, queue, priority, config, config_hash, media_id, object_path,
                        input_sha256, created_at, expires_at, request_id, traceparent, has_callbacks, patience_us,
                        status, attempt, failures, crashes, version, run_at)
     SELECT id, tenant_id, task_type, queue, priority, config, config_hash, media_id, object_path, input_sha256,
            created_at, expires_at, request_id, traceparent, has_callbacks, expires_at - created_at, 'pending', 0, 0, 0,
            1, created_at
     FROM given WHERE EXISTS (SELECT 1 FROM tenants WHERE tenants.id = given.tenant_id)
     ON CONFLICT DO NOTHING
     RETURNING id",
);

/// Stores pending rows. A row that cannot be stored is an error for all of them: the caller tries each alone.
pub(super) async fn submit(
    connection: &mut Connection,
    submits: &[Submit],
    changes: &mut Vec<TaskChange>,
) -> Result<Vec<Submission>, StoreError> {
    let holders = take_keys(connection, submits).await?;
    let first: Vec<&Submit> = submits
        .iter()
        .zip(&holders)
        .filter(|(_, holder)| matches!(holder, KeyHolder::Ours))
        .map(|(new, _)| new)
        .collect();
    insert(connection, &first).await?;
    let wishes = first.iter().flat_map(|new| (0..).zip(&new.callbacks).map(|(at, wish)| (new.task.id, at, wish)));
    callbacks::wish(connection, &wishes.collect::<Vec<_>>()).await?;
    let mut outcomes = Vec::with_capacity(submits.len());
    for (Submit { task, .. }, holder) in submits.iter().zip(holders) {
        outcomes.push(match holder {
            KeyHolder::Ours => created(task, changes),
            KeyHolder::Same(target) => replayed(connection, task.tenant_id, target).await?,
            KeyHolder::Other => Submission::Conflict,
        });
    }
    Ok(outcomes)
}

/// Who holds the key of each; those without a key are always the first.
async fn take_keys(connection: &mut Connection, submits: &[Submit]) -> Result<Vec<KeyHolder>, StoreError> {
    let claims = submits.iter().filter_map(|Submit { task, idempotency, .. }| {
        let idempotency = idempotency.as_ref()?;
        Some(KeyClaim { tenant: task.tenant_id, idempotency, target: task.id.as_uuid(), now: task.created_at })
    });
    let claims: Vec<_> = claims.collect();
    let mut taken = keys::take(connection, Scope::Task, &claims).await?.into_iter();
    let holder = |submit: &Submit| submit.idempotency.as_ref().and_then(|_| taken.next()).unwrap_or(KeyHolder::Ours);
    Ok(submits.iter().map(holder).collect())
}

async fn insert(connection: &mut Connection, submits: &[&Submit]) -> Result<(), StoreError> {
    for round in rounds(submits.iter().map(|submit| submit.task.id)) {
        let round: Vec<&Submit> = round.into_iter().map(|index| submits[index]).collect();
        let rows = fetch_many(connection, &INSERT, &round, |values, submit| bind(values, submit)).await?;
        if rows.len() < round.len() {
            return Err(why_not(connection, &round).await);
        }
    }
    Ok(())
}

fn bind(values: &mut Binder, Submit { task, callbacks, .. }: &Submit) {
    let input = task.input.as_ref();
    values.add(task.id.as_uuid()).add(task.tenant_id.as_uuid()).add(task.task_type.as_str()).add(task.queue.as_str());
    values.add(i64::from(task.priority.rank())).add(task.config.get().to_owned()).add(task.config_hash.clone());
    values
        .add(input.and_then(|input| input.media_id).map(|id| id.as_uuid()))
        .add(input.map(|input| input.object_path.clone()));
    values.add(input.map(|input| input.sha256.clone())).add(task.created_at.as_micros());
    values.add(task.expires_at.map(|at| at.as_micros()));
    values.add(task.origin.request_id.clone()).add(task.origin.trace.map(|trace| trace.to_string()));
    values.add(!callbacks.is_empty());
}

/// Why not all of these rows were inserted.
async fn why_not(connection: &mut Connection, submits: &[&Submit]) -> StoreError {
    for submit in submits {
        match tenants::exists(connection, submit.task.tenant_id).await {
            Ok(true) => (),
            Ok(false) => return StoreError::NoParent,
            Err(error) => return error,
        }
    }
    StoreError::Duplicate
}

fn created(new: &NewTask, changes: &mut Vec<TaskChange>) -> Submission {
    let task = Task::pending(new.clone());
    changes.push(change_of(&task));
    Submission::Created(Box::new(task))
}

async fn replayed(connection: &mut Connection, tenant: TenantId, target: Uuid) -> Result<Submission, StoreError> {
    let task = lists::get(connection, tenant, TaskId::from_uuid(target)).await?;
    // Only a deletion between two statements of this transaction leaves a key without its task.
    task.map_or(Err(StoreError::NoParent), |task| Ok(Submission::Replayed(Box::new(task))))
}
