//! What is known of each slot's object, and the ledger of what it served. The row of `slots` is written first: whoever holds
//! it is alone with the slot until the transaction ends.

use ortolan_domain::model::{RegistryName, VersionLabel};
use ortolan_domain::{ModelId, Slot, TenantId, Timestamp};
use sqlx::types::Uuid;

use super::binder::{Binder, execute, fetch, fetch_optional};
use super::reader::Reader;
use super::{Connection, Row, tenants};
use crate::{Page, SlotAction, SlotChange, SlotEvent, SlotFile, SlotRecord, SlotSource, StoreError};

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
     SELECT $1, $2, COALESCE((SELECT MAX(generation) FROM slot_history WHERE tenant_id = $1 AND slot = $2), 0) + 1,
        $3, $4, $5 FROM tenants WHERE tenants.id = $1
     ON CONFLICT (tenant_id, slot) DO UPDATE SET generation = slots.generation + 1, sha256 = excluded.sha256,
        size_bytes = excluded.size_bytes, updated_at = excluded.updated_at
     RETURNING slot, generation, sha256, size_bytes, updated_at";

/// Records a file and writes the ledger.
pub(super) async fn record(
    connection: &mut Connection,
    tenant: TenantId,
    change: SlotChange,
    now: Timestamp,
) -> Result<SlotRecord, StoreError> {
    if !tenants::exists(connection, tenant).await? {
        return Err(StoreError::NoParent);
    }
    let values = Binder::default().with(tenant.as_uuid()).with(change.slot.as_str()).with(change.file.sha256.clone());
    let values = values.with(size(change.file.size_bytes)?).with(now.as_micros());
    let row = fetch_optional(connection, RECORD, values).await?;
    let record = row.as_ref().map_or(Err(StoreError::NoParent), read)?;
    let line = Line { generation: Some(record.generation), file: Some(change.file), ..Line::of(change.action) };
    write(connection, tenant, change.slot, line, change.actor, now).await?;
    Ok(record)
}

fn size(bytes: u64) -> Result<i64, StoreError> {
    i64::try_from(bytes).map_err(|_| StoreError::Mismatch("the file is too large"))
}

const LIST: &str = "SELECT slot, generation, sha256, size_bytes, updated_at FROM slots WHERE tenant_id = $1
     ORDER BY slot";

/// The tenant's slots.
pub(super) async fn list(connection: &mut Connection, tenant: TenantId) -> Result<Vec<SlotRecord>, StoreError> {
    fetch(connection, LIST, Binder::default().with(tenant.as_uuid())).await?.iter().map(read).collect()
}

const FORGET: &str = "DELETE FROM slots WHERE tenant_id = $1 AND slot = $2";

/// Forgets what a slot holds and writes the ledger; false when nothing was known.
pub(super) async fn forget(
    connection: &mut Connection,
    tenant: TenantId,
    slot: Slot,
    actor: String,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if execute(connection, FORGET, of(tenant, slot)).await? == 0 {
        return Ok(false);
    }
    write(connection, tenant, slot, Line::of(SlotAction::Empty), actor, now).await?;
    Ok(true)
}

fn of(tenant: TenantId, slot: Slot) -> Binder {
    Binder::default().with(tenant.as_uuid()).with(slot.as_str())
}

/// A line that is about to be written.
struct Line {
    action: SlotAction,
    generation: Option<i64>,
    file: Option<SlotFile>,
}

impl Line {
    const fn of(action: SlotAction) -> Self {
        Self { action, generation: None, file: None }
    }
}

const WRITE: &str = "INSERT INTO slot_history
        (tenant_id, slot, entry, action, generation, sha256, size_bytes, model_id, model_name, model_version, actor, at)
     SELECT $1, $2, COALESCE(MAX(entry), 0) + 1, $3, $4, $5, $6, $7, $8, $9, $10, $11
     FROM slot_history WHERE tenant_id = $1 AND slot = $2";

async fn write(
    connection: &mut Connection,
    tenant: TenantId,
    slot: Slot,
    line: Line,
    actor: String,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (sha256, bytes, source) =
        line.file.map_or((None, None, None), |file| (Some(file.sha256), Some(file.size_bytes), file.source));
    let values = of(tenant, slot).with(line.action.as_str()).with(line.generation).with(sha256);
    let values =
        values.with(bytes.map(size).transpose()?).with(source.as_ref().map(|source| source.model_id.as_uuid()));
    let values = values.with(source.as_ref().map(|source| source.name.as_str().to_owned()));
    let values = values.with(source.map(|source| source.version.as_str().to_owned()));
    execute(connection, WRITE, values.with(actor).with(now.as_micros())).await.map(drop)
}

const COUNT_HISTORY: &str = "SELECT COUNT(*) FROM slot_history WHERE tenant_id = $1 AND slot = $2";
const HISTORY: &str =
    "SELECT entry, action, generation, sha256, size_bytes, model_id, model_name, model_version, actor, at
     FROM slot_history WHERE tenant_id = $1 AND slot = $2 ORDER BY entry DESC LIMIT $3 OFFSET $4";

/// What a slot served when, the latest first.
pub(super) async fn history(
    connection: &mut Connection,
    tenant: TenantId,
    slot: Slot,
    limit: u32,
    offset: u64,
) -> Result<Page<SlotEvent>, StoreError> {
    let total = tenants::count(fetch_optional(connection, COUNT_HISTORY, of(tenant, slot)).await?)?;
    let rows = fetch(connection, HISTORY, of(tenant, slot).page(limit, offset)).await?;
    Ok(Page { items: rows.iter().map(read_event).collect::<Result<_, _>>()?, total })
}

fn read_event(row: &Row) -> Result<SlotEvent, StoreError> {
    let mut row = Reader::new("slot_history", row);
    Ok(SlotEvent {
        entry: row.get()?,
        action: row.word("action", SlotAction::parse)?,
        generation: row.get()?,
        file: read_file(&mut row)?,
        actor: row.get()?,
        at: row.at()?,
    })
}

fn read_file(row: &mut Reader<'_>) -> Result<Option<SlotFile>, StoreError> {
    let sha256: Option<String> = row.get()?;
    let size_bytes: Option<u64> = row.maybe_number("size_bytes")?;
    let model_id: Option<Uuid> = row.get()?;
    let name = row.maybe_word("model_name", |name| RegistryName::parse(name).ok())?;
    let version = row.maybe_word("model_version", |version| VersionLabel::parse(version).ok())?;
    let source = model_id.zip(name.zip(version)).map(|(id, (name, version))| SlotSource {
        model_id: ModelId::from_uuid(id),
        name,
        version,
    });
    Ok(sha256.zip(size_bytes).map(|(sha256, size_bytes)| SlotFile { sha256, size_bytes, source }))
}
