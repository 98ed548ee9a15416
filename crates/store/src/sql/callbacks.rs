//! What is done after tasks have ended: written down with the end, handed to senders under a lease.

use ortolan_domain::{TaskId, TaskStatus, TenantId, TenantSlug, Timestamp};

use super::binder::{Binder, execute, fetch, fetch_many, fetch_optional};
use super::reader::Reader;
use super::tasks::read_error;
use super::{Connection, Row, tenants};
use crate::statement::{MAX_ROWS, ManyRows, rounds};
use crate::{
    CallbackKind, Delivery, DeliveryAttempt, DeliveryClaim, DeliveryKey, DeliveryOutcome, DeliveryStatus, NewCallback,
    StoreError, TaskChange, WebhookSecret,
};

static WISH: ManyRows = ManyRows::new(
    4,
    "WITH given(task_id, ordinal, kind, url) AS (VALUES {rows})
     INSERT INTO task_callbacks (task_id, ordinal, kind, url)
     SELECT task_id, ordinal, kind, url FROM given WHERE 1 = 1
     ON CONFLICT DO NOTHING RETURNING task_id",
);

/// Writes down what is to be done once tasks have ended: the task, which of its callbacks it is, and what.
pub(super) async fn wish(
    connection: &mut Connection,
    wishes: &[(TaskId, i64, &NewCallback)],
) -> Result<(), StoreError> {
    for some in wishes.chunks(MAX_ROWS) {
        fetch_many(connection, &WISH, some, |values, (task, ordinal, callback)| {
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
        status, attempts, attempts_before, due_at, created_at)
     SELECT wished.task_id, given.version, wished.ordinal, tasks.tenant_id, wished.kind, wished.url, tasks.status,
        tasks.error_code, tasks.error_detail, 'pending', 0, 0, tasks.completed_at, tasks.completed_at
     FROM given JOIN task_callbacks AS wished ON wished.task_id = given.id
        JOIN tasks ON tasks.id = given.id AND tasks.version = given.version
     WHERE tasks.completed_at IS NOT NULL
     ON CONFLICT DO NOTHING RETURNING task_id",
);

/// Makes deliveries of the wishes of tasks that have just ended, in the transaction that ended them.
pub(super) async fn arm(connection: &mut Connection, changes: &[TaskChange]) -> Result<(), StoreError> {
    let ended: Vec<_> = changes.iter().filter(|change| change.owes_callbacks()).collect();
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
         callback_deliveries.attempts_before, callback_deliveries.due_at, callback_deliveries.created_at,
         callback_deliveries.ended_at"
    };
}

fn read(row: &Row) -> Result<Delivery, StoreError> {
    let mut row = Reader::new("callback_deliveries", row);
    Ok(Delivery {
        key: read_key(&mut row)?,
        tenant_id: row.id(TenantId::from_uuid)?,
        tenant: row.word("tenant_id", |name| TenantSlug::parse(name).ok())?,
        kind: row.word("kind", CallbackKind::parse)?,
        url: row.get()?,
        event: row.word("event", TaskStatus::parse)?,
        error: read_error(&mut row)?,
        status: row.word("status", DeliveryStatus::parse)?,
        attempts: row.number("attempts")?,
        attempts_before: row.number("attempts_before")?,
        due_at: row.at()?,
        created_at: row.at()?,
        ended_at: row.maybe_at()?,
    })
}

fn read_key(row: &mut Reader<'_>) -> Result<DeliveryKey, StoreError> {
    Ok(DeliveryKey { task_id: row.id(TaskId::from_uuid)?, version: row.get()?, ordinal: row.number("ordinal")? })
}

fn bind_key(key: DeliveryKey) -> Binder {
    Binder::default().with(key.task_id.as_uuid()).with(key.version).with(i64::from(key.ordinal))
}

/// Hops over the index from tenant to tenant, so that one with many deliveries costs no more than one with few.
pub(super) const OWED: &str = "WITH RECURSIVE waiting(tenant_id) AS (
        SELECT (SELECT tenant_id FROM callback_deliveries WHERE status = 'pending' ORDER BY tenant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT later.tenant_id FROM callback_deliveries AS later
                WHERE later.status = 'pending' AND later.tenant_id > waiting.tenant_id
                ORDER BY later.tenant_id LIMIT 1)
        FROM waiting WHERE waiting.tenant_id IS NOT NULL
     )
     SELECT tenant_id FROM waiting WHERE EXISTS (
        SELECT 1 FROM callback_deliveries AS due
        WHERE due.status = 'pending' AND due.tenant_id = waiting.tenant_id AND due.due_at <= $1)";

/// The tenants of deliveries that are due.
pub(super) async fn owed(connection: &mut Connection, now: Timestamp) -> Result<Vec<TenantId>, StoreError> {
    let rows = fetch(connection, OWED, Binder::default().with(now.as_micros())).await?;
    rows.iter().map(|row| Reader::new("callback_deliveries", row).id(TenantId::from_uuid)).collect()
}

/// Nobody is told of pictures that do not lie in their places yet.
pub(super) const CLAIM: &str = concat!(
    "WITH chosen(task_id, version, ordinal) AS MATERIALIZED (
        SELECT task_id, version, ordinal FROM callback_deliveries
        WHERE status = 'pending' AND tenant_id = $5 AND due_at <= $1
            AND (kind = 'pictures' OR NOT EXISTS (
                SELECT 1 FROM callback_deliveries AS pictures
                WHERE pictures.task_id = callback_deliveries.task_id AND pictures.version = callback_deliveries.version
                    AND pictures.kind = 'pictures' AND pictures.status = 'pending'))
        ORDER BY due_at LIMIT $4",
    skip_locked!(),
    ") UPDATE callback_deliveries SET owner = $2, due_at = $3, attempts = attempts + 1
     FROM chosen
     WHERE callback_deliveries.task_id = chosen.task_id AND callback_deliveries.version = chosen.version
        AND callback_deliveries.ordinal = chosen.ordinal AND callback_deliveries.status = 'pending'
        AND callback_deliveries.due_at <= $1
     RETURNING ",
    columns!()
);

/// Gives due deliveries of a tenant to a sender.
pub(super) async fn claim(connection: &mut Connection, claim: &DeliveryClaim) -> Result<Vec<Delivery>, StoreError> {
    let values = Binder::default().with(claim.now.as_micros()).with(claim.owner.clone());
    let values = values.with(claim.now.plus(claim.lease).as_micros()).with(i64::from(claim.limit));
    fetch(connection, CLAIM, values.with(claim.tenant.as_uuid())).await?.iter().map(read).collect()
}

const END: &str = "UPDATE callback_deliveries SET status = $5, due_at = $6, ended_at = $7, owner = NULL
     WHERE task_id = $1 AND version = $2 AND ordinal = $3 AND owner = $4 AND status = 'pending'
     RETURNING attempts";
const LOG: &str = "INSERT INTO callback_attempts (task_id, version, ordinal, number, ended_at, answer, error)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";

/// Writes down how a try ended.
pub(super) async fn end(
    connection: &mut Connection,
    key: DeliveryKey,
    owner: String,
    outcome: DeliveryOutcome,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let ended_at = (outcome.status != DeliveryStatus::Pending).then_some(now.as_micros());
    let values = bind_key(key).with(owner).with(outcome.status.as_str()).with(outcome.due_at.as_micros());
    let Some(ended) = fetch_optional(connection, END, values.with(ended_at)).await? else { return Ok(false) };
    let number: i64 = Reader::new("callback_deliveries", &ended).get()?;
    let values = bind_key(key).with(number).with(now.as_micros()).with(outcome.answer.map(i64::from));
    execute(connection, LOG, values.with(outcome.error)).await?;
    Ok(true)
}

const REDELIVER: &str = "UPDATE callback_deliveries SET status = 'pending', due_at = $5, attempts_before = attempts,
        ended_at = NULL
     WHERE task_id = $1 AND version = $2 AND ordinal = $3 AND tenant_id = $4 AND status IN ('delivered', 'dead')";

/// Makes an ended delivery due again.
pub(super) async fn redeliver(
    connection: &mut Connection,
    tenant: TenantId,
    key: DeliveryKey,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let values = bind_key(key).with(tenant.as_uuid()).with(now.as_micros());
    Ok(execute(connection, REDELIVER, values).await? > 0)
}

const EXISTS: &str = "SELECT 1 FROM tasks WHERE tenant_id = $1 AND id = $2";
const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM callback_deliveries WHERE callback_deliveries.tenant_id = $1 AND callback_deliveries.task_id = $2
      ORDER BY callback_deliveries.version, callback_deliveries.ordinal LIMIT 1000"
);
const ATTEMPTS: &str = "SELECT task_id, version, ordinal, number, ended_at, answer, error FROM callback_attempts
     WHERE task_id = $1 ORDER BY version, ordinal, number LIMIT 10000";

/// The deliveries of the tenant's task with their tries, or `None` when it has no such task.
pub(super) async fn list(
    connection: &mut Connection,
    tenant: TenantId,
    task: TaskId,
) -> Result<Option<Vec<(Delivery, Vec<DeliveryAttempt>)>>, StoreError> {
    let of_task = || Binder::default().with(tenant.as_uuid()).with(task.as_uuid());
    if fetch_optional(connection, EXISTS, of_task()).await?.is_none() {
        return Ok(None);
    }
    let mut deliveries = Vec::new();
    for row in &fetch(connection, LIST, of_task()).await? {
        deliveries.push((read(row)?, Vec::new()));
    }
    for row in &fetch(connection, ATTEMPTS, Binder::default().with(task.as_uuid())).await? {
        let (key, attempt) = read_attempt(row)?;
        // A delivery that is newer than the list has no place in it.
        if let Some((_, attempts)) = deliveries.iter_mut().find(|(delivery, _)| delivery.key == key) {
            attempts.push(attempt);
        }
    }
    Ok(Some(deliveries))
}

fn read_attempt(row: &Row) -> Result<(DeliveryKey, DeliveryAttempt), StoreError> {
    let mut row = Reader::new("callback_attempts", row);
    let key = read_key(&mut row)?;
    let (number, ended_at) = (row.number("number")?, row.at()?);
    Ok((key, DeliveryAttempt { number, ended_at, answer: row.maybe_number("answer")?, error: row.get()? }))
}

const SECRET: &str = "SELECT secret, previous, previous_until, created_at FROM webhook_secrets WHERE tenant_id = $1";

fn read_secret(row: &Row) -> Result<WebhookSecret, StoreError> {
    let mut row = Reader::new("webhook_secrets", row);
    let secret = row.get()?;
    let (previous, until): (Option<String>, Option<Timestamp>) = (row.get()?, row.maybe_at()?);
    Ok(WebhookSecret { secret, previous: previous.zip(until), created_at: row.at()? })
}

/// What the tenant's webhooks are signed with.
pub(super) async fn secret(connection: &mut Connection, tenant: TenantId) -> Result<Option<WebhookSecret>, StoreError> {
    let row = fetch_optional(connection, SECRET, Binder::default().with(tenant.as_uuid())).await?;
    row.as_ref().map(read_secret).transpose()
}

const ENSURE: &str = "INSERT INTO webhook_secrets (tenant_id, secret, created_at) VALUES ($1, $2, $3)
     ON CONFLICT (tenant_id) DO NOTHING";

/// Keeps a first secret unless there is one.
pub(super) async fn ensure_secret(
    connection: &mut Connection,
    tenant: TenantId,
    new: String,
    now: Timestamp,
) -> Result<WebhookSecret, StoreError> {
    if !tenants::exists(connection, tenant).await? {
        return Err(StoreError::NoParent);
    }
    let values = Binder::default().with(tenant.as_uuid()).with(new).with(now.as_micros());
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
    new: String,
    previous_until: Timestamp,
    now: Timestamp,
) -> Result<WebhookSecret, StoreError> {
    if !tenants::exists(connection, tenant).await? {
        return Err(StoreError::NoParent);
    }
    let values = Binder::default().with(tenant.as_uuid()).with(new).with(now.as_micros());
    let row = fetch_optional(connection, ROTATE, values.with(previous_until.as_micros())).await?;
    row.as_ref().map_or(Err(StoreError::NoParent), read_secret)
}
