//! Who leads, and who lives.

use std::time::Duration;

use ortolan_domain::Timestamp;

use super::binder::{Binder, execute, fetch};
use super::reader::Reader;
use super::{Connection, Row};
use crate::{ProcessRecord, StoreError};

const LEAD: &str = "INSERT INTO leader_leases (name, holder, expires_at) VALUES ($1, $2, $3)
     ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
        WHERE leader_leases.holder = excluded.holder OR leader_leases.expires_at <= $4";

/// Takes or renews a lease; false while another one holds it.
pub(super) async fn lead(
    connection: &mut Connection,
    name: String,
    holder: String,
    now: Timestamp,
    lasts: Duration,
) -> Result<bool, StoreError> {
    let values = Binder::default().with(name).with(holder).with(now.plus(lasts).as_micros()).with(now.as_micros());
    Ok(execute(connection, LEAD, values).await? > 0)
}

/// Gives a lease up.
pub(super) async fn resign(connection: &mut Connection, name: String, holder: String) -> Result<(), StoreError> {
    let values = Binder::default().with(name).with(holder);
    execute(connection, "DELETE FROM leader_leases WHERE name = $1 AND holder = $2", values).await.map(drop)
}

const REPORT: &str = "INSERT INTO processes (id, service, host, queues, running, started_at, seen_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT (id) DO UPDATE SET running = excluded.running, seen_at = excluded.seen_at";

/// Enters a process, or says that it is still there.
pub(super) async fn report(connection: &mut Connection, process: ProcessRecord) -> Result<(), StoreError> {
    let ProcessRecord { id, service, host, queues, running, started_at, seen_at } = process;
    let values = Binder::default().with(id).with(service).with(host).with(queues);
    let values = values.with(i64::try_from(running).unwrap_or(i64::MAX));
    execute(connection, REPORT, values.with(started_at.as_micros()).with(seen_at.as_micros())).await.map(drop)
}

/// Strikes a process off.
pub(super) async fn strike(connection: &mut Connection, id: String) -> Result<(), StoreError> {
    execute(connection, "DELETE FROM processes WHERE id = $1", Binder::default().with(id)).await.map(drop)
}

const LIVE: &str = "SELECT id, service, host, queues, running, started_at, seen_at FROM processes WHERE seen_at >= $1
     ORDER BY seen_at DESC, id LIMIT $2";

/// Processes that were heard of since then.
pub(super) async fn live(
    connection: &mut Connection,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<ProcessRecord>, StoreError> {
    let values = Binder::default().with(since.as_micros()).with(i64::from(limit));
    fetch(connection, LIVE, values).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<ProcessRecord, StoreError> {
    let mut row = Reader::new("processes", row);
    Ok(ProcessRecord {
        id: row.get()?,
        service: row.get()?,
        host: row.get()?,
        queues: row.get()?,
        running: row.number("running")?,
        started_at: row.at()?,
        seen_at: row.at()?,
    })
}

const STRIKE_SILENT: &str = concat!(
    "WITH chosen(id) AS MATERIALIZED (
        SELECT id FROM processes WHERE seen_at < $1 ORDER BY seen_at LIMIT $2",
    skip_locked!(),
    ") DELETE FROM processes WHERE seen_at < $1 AND id IN (SELECT chosen.id FROM chosen)"
);

/// Strikes off what has been silent since before then; returns how many.
pub(super) async fn strike_silent(
    connection: &mut Connection,
    before: Timestamp,
    limit: u32,
) -> Result<u64, StoreError> {
    execute(connection, STRIKE_SILENT, Binder::default().with(before.as_micros()).with(i64::from(limit))).await
}
