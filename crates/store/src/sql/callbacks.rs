//! What is done after tasks have ended: written down with the end, handed to senders under a lease.

use ortolan_domain::task::TaskError;
use ortolan_domain::{ErrorCode, TaskId, TaskStatus, TenantId, TenantSlug, Timestamp};

use super::binder::{Binder, execute, fetch, fetch_many, fetch_optional};
use super::reader::Reader;
use super::{Connection, Row, tenants};
use crate::statement::{ManyRows, rounds};
use crate::{
    CallbackKind, Delivery, DeliveryClaim, DeliveryKey, DeliveryOutcome, DeliveryStatus, NewCallback, StoreError,
    TaskChange, WebhookSecret,
};

static WISH: ManyRows = ManyRows::new(
    4,
    "WITH given(task_id, ordinal, kind, url) AS (VALUES {rows})
     INSERT INTO task_callbacks (task_id, ordinal, kind, url)
     SELECT task_id, ordinal, kind, url FROM given WHERE 1 = 1
     ON CONFLICT DO NOTHING RETURNING task_id",
);

/// Writes down what is to be done once a task has ended.
pub(super) async fn wish(
    connection: &mut Connection,
    task: TaskId,
    callbacks: &[NewCallback],
) -> Result<(), StoreError> {
    let wishes: Vec<(i64, &NewCallback)> = (0..).zip(callbacks).collect();
    if !wishes.is_empty() {
        fetch_many(connection, &WISH, &wishes, |values, (ordinal, callback)| {
            values.add(task.as_uuid()).add(*ordinal).add(callback.kind.as_str()).add(callback.url.clone());
        })
        .await?;
    }
    Ok(())
}

pub(super) static ARM: ManyRows = ManyRows::new(
    2,
    "WITH given(id, version) AS (VALUES {rows})
     INSERT INTO callback_deliveries (task_id, version, ordinal, tenant_id, kind, url, event, error_code, error_detail,
        status, attempts, due_at, created_at)
     SELECT wished.task_id, given.version, wished.ordinal, tasks.tenant_id, wished.kind, wished.url, tasks.status,
        tasks.error_code, tasks.error_detail, 'pending', 0, tasks.completed_at, tasks.completed_at
     FROM given JOIN task_callbacks AS wished ON wished.task_id = given.id
        JOIN tasks ON tasks.id = given.id AND tasks.version = given.version
     WHERE tasks.completed_at IS NOT NULL
     ON CONFLICT DO NOTHING RETURNING task_id",
);

/// Makes deliveries of the wishes of tasks that have just ended, in the transaction that ended them.
pub(super) async fn arm(connection: &mut Connection, changes: &[TaskChange]) -> Result<(), StoreError> {
    let ended: Vec<_> = changes.iter().filter(|change| change.status.is_terminal()).collect();
    for round in rounds(ended.iter().map(|change| change.attempt.task_id)) {
        fetch_many(connection, &ARM, &round, |values, &index| {
            values.add(ended[index].attempt.task_id.as_uuid()).add(ended[index].version);
        })
        .await?;
    }
    Ok(())
}

/// The columns of a delivery, in the order in which [`read`] takes them.
macro_rules! columns {
    () => {
        "callback_deliveries.task_id, callback_deliveries.version, callback_deliveries.ordinal,
         callback_deliveries.tenant_id,
         (SELECT tenants.name FROM tenants WHERE tenants.id = callback_deliveries.tenant_id),
         callback_deliveries.kind, callback_deliveries.url, callback_deliveries.event, callback_deliveries.error_code,
         callback_deliveries.error_detail, callback_deliveries.status, callback_deliveries.attempts,
         callback_deliveries.due_at, callback_deliveries.last_status, callback_deliveries.last_error,
         callback_deliveries.created_at, callback_deliveries.ended_at"
    };
}

fn read(row: &Row) -> Result<Delivery, StoreError> {
    let mut row = Reader::new("callback_deliveries", row);
    let key = DeliveryKey {
        task_id: row.id(TaskId::from_uuid)?,
        version: row.get()?,
        ordinal: row.number("ordinal")?,
    };
    Ok(Delivery {
        key,
        tenant_id: row.id(TenantId::from_uuid)?,
        tenant: row.word("tenant_id", |name| TenantSlug::parse(name).ok())?,
        kind: row.word("kind", CallbackKind::parse)?,
        url: row.get()?,
        event: row.word("event", TaskStatus::parse)?,
        error: read_error(&mut row)?,
        status: row.word("status", DeliveryStatus::parse)?,
        attempts: row.number("attempts")?,
        due_at: row.at()?,
        last_status: row.maybe_number("last_status")?,
        last_error: row.get()?,
        created_at: row.at()?,
        ended_at: row.maybe_at()?,
    })
}

fn read_error(row: &mut Reader<'_>) -> Result<Option<TaskError>, StoreError> {
    let (code, detail): (Option<String>, Option<String>) = (row.get()?, row.get()?);
    let Some(code) = code else { return Ok(None) };
    let code = ErrorCode::parse(&code).ok_or_else(|| row.inconsistent("error_code"))?;
    Ok(Some(TaskError { code, detail: detail.unwrap_or_default() }))
}

pub(super) const CLAIM: &str = concat!(
    "WITH chosen(task_id, version, ordinal) AS MATERIALIZED (
        SELECT task_id, version, ordinal FROM callback_deliveries
        WHERE status = 'pending' AND due_at <= $1 AND (lease_expires_at IS NULL OR lease_expires_at <= $1)
        ORDER BY due_at LIMIT $4",
    skip_locked!(),
    ") UPDATE callback_deliveries SET owner = $2, lease_expires_at = $3, attempts = attempts + 1
     FROM chosen
     WHERE callback_deliveries.task_id = chosen.task_id AND callback_deliveries.version = chosen.version
        AND callback_deliveries.ordinal = chosen.ordinal AND callback_deliveries.status = 'pending'
        AND (callback_deliveries.lease_expires_at IS NULL OR callback_deliveries.lease_expires_at <= $1)
     RETURNING ",
    columns!()
);

/// Gives due deliveries to a sender.
pub(super) async fn claim(connection: &mut Connection, claim: &DeliveryClaim) -> Result<Vec<Delivery>, StoreError> {
    let values = Binder::default().with(claim.now.as_micros()).with(claim.owner.clone());
    let values = values.with(claim.now.plus(claim.lease).as_micros()).with(i64::from(claim.limit));
    fetch(connection, CLAIM, values).await?.iter().map(read).collect()
}

const END: &str = "UPDATE callback_deliveries SET status = $5, due_at = $6, last_status = $7, last_error = $8,
        ended_at = $9, owner = NULL, lease_expires_at = NULL
     WHERE task_id = $1 AND version = $2 AND ordinal = $3 AND owner = $4 AND status = 'pending'";

/// Writes down how a try ended.
pub(super) async fn end(
    connection: &mut Connection,
    key: DeliveryKey,
    owner: &str,
    outcome: &DeliveryOutcome,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let ended_at = (outcome.status != DeliveryStatus::Pending).then_some(now.as_micros());
    let values = Binder::default().with(key.task_id.as_uuid()).with(key.version).with(i64::from(key.ordinal));
    let values = values.with(owner.to_owned()).with(outcome.status.as_str()).with(outcome.due_at.as_micros());
    let values = values.with(outcome.answer.map(i64::from)).with(outcome.error.clone()).with(ended_at);
    Ok(execute(connection, END, values).await? > 0)
}

const EXISTS: &str = "SELECT 1 FROM tasks WHERE tenant_id = $1 AND id = $2";
const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM callback_deliveries WHERE callback_deliveries.tenant_id = $1 AND callback_deliveries.task_id = $2
      ORDER BY callback_deliveries.version, callback_deliveries.ordinal LIMIT 1000"
);

/// The deliveries of the tenant's task, or `None` when it has no such task.
pub(super) async fn list(
    connection: &mut Connection,
    tenant: TenantId,
    task: TaskId,
) -> Result<Option<Vec<Delivery>>, StoreError> {
    let of_task = || Binder::default().with(tenant.as_uuid()).with(task.as_uuid());
    if fetch_optional(connection, EXISTS, of_task()).await?.is_none() {
        return Ok(None);
    }
    fetch(connection, LIST, of_task()).await?.iter().map(read).collect::<Result<_, _>>().map(Some)
}

const SECRET: &str =
    "SELECT secret, previous, previous_until, created_at FROM webhook_secrets WHERE tenant_id = $1";

fn read_secret(row: &Row) -> Result<WebhookSecret, StoreError> {
    let mut row = Reader::new("webhook_secrets", row);
    let secret = row.get()?;
    let (previous, until): (Option<String>, Option<Timestamp>) = (row.get()?, row.maybe_at()?);
    Ok(WebhookSecret { secret, previous: previous.zip(until), created_at: row.at()? })
}

/// What the tenant's webhooks are signed with.
pub(super) async fn secret(
    connection: &mut Connection,
    tenant: TenantId,
) -> Result<Option<WebhookSecret>, StoreError> {
    let row = fetch_optional(connection, SECRET, Binder::default().with(tenant.as_uuid())).await?;
    row.as_ref().map(read_secret).transpose()
}

const ENSURE: &str = "INSERT INTO webhook_secrets (tenant_id, secret, created_at) VALUES ($1, $2, $3)
     ON CONFLICT (tenant_id) DO NOTHING";

/// Keeps a first secret unless there is one.
pub(super) async fn ensure_secret(
    connection: &mut Connection,
    tenant: TenantId,
    new: &str,
    now: Timestamp,
) -> Result<WebhookSecret, StoreError> {
    if !tenants::exists(connection, tenant).await? {
        return Err(StoreError::NoParent);
    }
    let values = Binder::default().with(tenant.as_uuid()).with(new.to_owned()).with(now.as_micros());
    execute(connection, ENSURE, values).await?;
    secret(connection, tenant).await?.ok_or(StoreError::NoParent)
}

const ROTATE: &str = "INSERT INTO webhook_secrets (tenant_id, secret, created_at) VALUES ($1, $2, $3)
     ON CONFLICT (tenant_id) DO UPDATE SET previous = webhook_secrets.secret, previous_until = $4,
        secret = excluded.secret, created_at = excluded.created_at
     RETURNING secret, previous, previous_until, created_at";

/// Replaces the secret.
pub(super) async fn rotate_secret(
    connection: &mut Connection,
    tenant: TenantId,
    new: &str,
    previous_until: Timestamp,
    now: Timestamp,
) -> Result<WebhookSecret, StoreError> {
    if !tenants::exists(connection, tenant).await? {
        return Err(StoreError::NoParent);
    }
    let values = Binder::default().with(tenant.as_uuid()).with(new.to_owned()).with(now.as_micros());
    let row = fetch_optional(connection, ROTATE, values.with(previous_until.as_micros())).await?;
    row.as_ref().map_or(Err(StoreError::NoParent), read_secret)
}
