//! What is known of each slot's object.

use ortolan_domain::{Slot, TenantId, Timestamp};

use super::binder::{Binder, execute, fetch, fetch_optional};
use super::reader::Reader;
use super::{Connection, Row, tenants};
use crate::{SlotRecord, StoreError};

fn read(row: &Row) -> Result<SlotRecord, StoreError> {
    let mut row = Reader::new("slots", row);
    Ok(SlotRecord {
        slot: row.word("slot", |word| Slot::parse(word).ok())?,
        generation: row.get()?,
        sha256: row.get()?,
        size_bytes: row.number("size_bytes")?,
        updated_at: row.at()?,
    })
}

const RECORD: &str = "INSERT INTO slots (tenant_id, slot, generation, sha256, size_bytes, updated_at)
     VALUES ($1, $2, 1, $3, $4, $5)
     ON CONFLICT (tenant_id, slot) DO UPDATE SET generation = slots.generation + 1, sha256 = excluded.sha256,
        size_bytes = excluded.size_bytes, updated_at = excluded.updated_at
     RETURNING slot, generation, sha256, size_bytes, updated_at";

/// Records an upload.
pub(super) async fn record(
    connection: &mut Connection,
    tenant: TenantId,
    slot: Slot,
    sha256: String,
    size_bytes: u64,
    now: Timestamp,
) -> Result<SlotRecord, StoreError> {
    if !tenants::exists(connection, tenant).await? {
        return Err(StoreError::NoParent);
    }
    let size_bytes = i64::try_from(size_bytes).map_err(|_| StoreError::Mismatch("the file is too large"))?;
    let values = Binder::default().with(tenant.as_uuid()).with(slot.as_str()).with(sha256);
    let row = fetch_optional(connection, RECORD, values.with(size_bytes).with(now.as_micros())).await?;
    row.as_ref().map_or(Err(StoreError::NoParent), read)
}

const LIST: &str = "SELECT slot, generation, sha256, size_bytes, updated_at FROM slots WHERE tenant_id = $1
     ORDER BY slot";

/// The tenant's slots.
pub(super) async fn list(connection: &mut Connection, tenant: TenantId) -> Result<Vec<SlotRecord>, StoreError> {
    fetch(connection, LIST, Binder::default().with(tenant.as_uuid())).await?.iter().map(read).collect()
}

const FORGET: &str = "DELETE FROM slots WHERE tenant_id = $1 AND slot = $2";

/// Forgets a slot; false when nothing was known.
pub(super) async fn forget(connection: &mut Connection, tenant: TenantId, slot: Slot) -> Result<bool, StoreError> {
    let values = Binder::default().with(tenant.as_uuid()).with(slot.as_str());
    Ok(execute(connection, FORGET, values).await? > 0)
}
