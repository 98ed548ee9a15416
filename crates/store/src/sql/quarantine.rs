//! Pairs of a model's file and an input that crashed.

use std::time::Duration;

use ortolan_domain::{Slot, TenantId, Timestamp};
use sqlx::types::Uuid;

use super::binder::{Binder, execute, fetch, fetch_optional};
use super::reader::Reader;
use super::{Connection, Row, tenants};
use crate::{CrashPair, CrashRecord, Page, QUARANTINE_CRASHES, StoreError};

macro_rules! crash_columns {
    () => {
        "id, model_sha256, input_hash, model, crashes, first_at, last_at"
    };
}

fn read(row: &Row) -> Result<CrashRecord, StoreError> {
    let mut row = Reader::new("model_crashes", row);
    Ok(CrashRecord {
        id: row.get()?,
        pair: CrashPair { model_sha256: row.get()?, input_hash: row.get()? },
        model: row.get()?,
        crashes: row.get()?,
        first_at: row.at()?,
        last_at: row.at()?,
    })
}

const RECORD: &str = concat!(
    "INSERT INTO model_crashes (tenant_id, model_sha256, input_hash, id, model, crashes, first_at, last_at)
     SELECT $1, $2, $3, $4, $5, 1, $6, $6 FROM tenants WHERE tenants.id = $1
     ON CONFLICT (tenant_id, model_sha256, input_hash) DO UPDATE SET
        crashes = model_crashes.crashes + CASE WHEN $6 - model_crashes.last_at >= $7 THEN 1 ELSE 0 END,
        model = excluded.model, last_at = excluded.last_at
     RETURNING ",
    crash_columns!()
);

/// Counts a crash of a pair.
pub(super) async fn record(
    connection: &mut Connection,
    tenant: TenantId,
    pair: CrashPair,
    model: String,
    now: Timestamp,
) -> Result<CrashRecord, StoreError> {
    count(connection, tenant, (pair, model), Duration::ZERO, now).await
}

/// Counts a crash of a pair and its model's name, unless it follows the one before in less than `apart`.
async fn count(
    connection: &mut Connection,
    tenant: TenantId,
    (pair, model): (CrashPair, String),
    apart: Duration,
    now: Timestamp,
) -> Result<CrashRecord, StoreError> {
    let apart_us = i64::try_from(apart.as_micros()).unwrap_or(i64::MAX);
    let values = of(tenant, &pair).with(Uuid::now_v7()).with(model).with(now.as_micros()).with(apart_us);
    fetch_optional(connection, RECORD, values).await?.as_ref().map_or(Err(StoreError::NoParent), read)
}

/// Counts a crash that ended a task's run.
pub(super) async fn record_of_run(
    connection: &mut Connection,
    tenant: TenantId,
    pair: CrashPair,
    model: String,
    now: Timestamp,
) -> Result<CrashRecord, StoreError> {
    count(connection, tenant, (pair, model), ONE_DEATH, now).await
}

/// Runs that end so close to each other were ended by one death of their process.
const ONE_DEATH: Duration = Duration::from_millis(500);

const FIND_IN_SLOT: &str = "SELECT model_crashes.id, model_crashes.model_sha256, model_crashes.input_hash, \
     model_crashes.model, model_crashes.crashes, model_crashes.first_at, model_crashes.last_at
     FROM slots JOIN model_crashes
        ON model_crashes.tenant_id = slots.tenant_id AND model_crashes.model_sha256 = slots.sha256
     WHERE slots.tenant_id = $1 AND model_crashes.crashes >= $2 AND slots.slot = $3 AND model_crashes.input_hash = $4";

/// The record of an input with what the slot is recorded to hold, if that pair is in quarantine.
pub(super) async fn find_in_slot(
    connection: &mut Connection,
    tenant: TenantId,
    slot: Slot,
    input_hash: &str,
) -> Result<Option<CrashRecord>, StoreError> {
    let values = of_tenant(tenant).with(slot.as_str()).with(input_hash.to_owned());
    fetch_optional(connection, FIND_IN_SLOT, values).await?.as_ref().map(read).transpose()
}

fn of(tenant: TenantId, pair: &CrashPair) -> Binder {
    let CrashPair { model_sha256, input_hash } = pair.clone();
    Binder::default().with(tenant.as_uuid()).with(model_sha256).with(input_hash)
}

const FIND: &str = concat!(
    "SELECT ",
    crash_columns!(),
    " FROM model_crashes WHERE tenant_id = $1 AND model_sha256 = $2 AND input_hash = $3 AND crashes >= $4"
);

/// The pair's record, if it is in quarantine.
pub(super) async fn find(
    connection: &mut Connection,
    tenant: TenantId,
    pair: &CrashPair,
) -> Result<Option<CrashRecord>, StoreError> {
    let values = of(tenant, pair).with(QUARANTINE_CRASHES);
    fetch_optional(connection, FIND, values).await?.as_ref().map(read).transpose()
}

const HAS: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM model_crashes WHERE tenant_id = $1 AND crashes >= $2 AND model_sha256 = $3 LIMIT 1) AS found";

/// True when this file is in quarantine with some input.
pub(super) async fn has(connection: &mut Connection, tenant: TenantId, sha256: &str) -> Result<bool, StoreError> {
    let values = of_tenant(tenant).with(sha256.to_owned());
    Ok(tenants::count(fetch_optional(connection, HAS, values).await?)? > 0)
}

const COUNT: &str = "SELECT COUNT(*) FROM model_crashes WHERE tenant_id = $1 AND crashes >= $2";
const LIST: &str = concat!(
    "SELECT ",
    crash_columns!(),
    " FROM model_crashes WHERE tenant_id = $1 AND crashes >= $2 ORDER BY last_at DESC, id DESC LIMIT $3 OFFSET $4"
);

/// The pairs in quarantine, the latest first.
pub(super) async fn list(
    connection: &mut Connection,
    tenant: TenantId,
    limit: u32,
    offset: u64,
) -> Result<Page<CrashRecord>, StoreError> {
    let total = tenants::count(fetch_optional(connection, COUNT, of_tenant(tenant)).await?)?;
    let rows = fetch(connection, LIST, of_tenant(tenant).page(limit, offset)).await?;
    Ok(Page { items: rows.iter().map(read).collect::<Result<_, _>>()?, total })
}

fn of_tenant(tenant: TenantId) -> Binder {
    Binder::default().with(tenant.as_uuid()).with(QUARANTINE_CRASHES)
}

const LIFT: &str = "DELETE FROM model_crashes WHERE tenant_id = $1 AND crashes >= $2 AND id = $3";
const LIFT_ALL: &str = "DELETE FROM model_crashes WHERE tenant_id = $1 AND crashes >= $2";

/// Lets a pair run again.
pub(super) async fn lift(connection: &mut Connection, tenant: TenantId, id: Uuid) -> Result<bool, StoreError> {
    Ok(execute(connection, LIFT, of_tenant(tenant).with(id)).await? > 0)
}

/// Lets all pairs run again.
pub(super) async fn lift_all(connection: &mut Connection, tenant: TenantId) -> Result<u64, StoreError> {
    execute(connection, LIFT_ALL, of_tenant(tenant)).await
}

const FORGET: &str = concat!(
    "WITH chosen(id) AS MATERIALIZED (
        SELECT id FROM model_crashes WHERE last_at < $1 ORDER BY last_at LIMIT $2",
    skip_locked!(),
    ") DELETE FROM model_crashes WHERE id IN (SELECT chosen.id FROM chosen)"
);

/// Forgets pairs that crashed last before `last_before`.
pub(super) async fn forget(connection: &mut Connection, last_before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    execute(connection, FORGET, Binder::default().with(last_before.as_micros()).with(i64::from(limit))).await
}
