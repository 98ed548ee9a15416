//! Tenants and their keys.

use ortolan_domain::{KeyId, Scopes, TenantId, TenantSlug, Timestamp};
use sqlx::types::Uuid;

use super::binder::{Binder, execute, fetch, fetch_optional};
use super::reader::Reader;
use super::{Connection, Row};
use crate::{KeyRecord, NewKey, Page, StoreError, Tenant};

macro_rules! tenant_columns {
    () => {
        "tenants.id, tenants.name, tenants.display_name, tenants.disabled, tenants.created_at"
    };
}

fn read(row: &Row) -> Result<Tenant, StoreError> {
    let mut row = Reader::new("tenants", row);
    Ok(Tenant {
        id: row.id(TenantId::from_uuid)?,
        name: row.word("name", |name| TenantSlug::parse(name).ok())?,
        display_name: row.get()?,
        disabled: row.get()?,
        created_at: row.at()?,
    })
}

const CREATE: &str = "INSERT INTO tenants (id, name, display_name, disabled, created_at) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT DO NOTHING";

/// Stores a tenant.
pub(super) async fn create(connection: &mut Connection, tenant: Tenant) -> Result<(), StoreError> {
    let values = Binder::default().with(tenant.id.as_uuid()).with(tenant.name.as_str().to_owned());
    let values = values.with(tenant.display_name).with(tenant.disabled).with(tenant.created_at.as_micros());
    match execute(connection, CREATE, values).await? {
        0 => Err(StoreError::Duplicate),
        _ => Ok(()),
    }
}

const BY_ID: &str = concat!("SELECT ", tenant_columns!(), " FROM tenants WHERE id = $1");
const BY_NAME: &str = concat!("SELECT ", tenant_columns!(), " FROM tenants WHERE name = $1");

/// The tenant with this id.
pub(super) async fn by_id(connection: &mut Connection, id: TenantId) -> Result<Option<Tenant>, StoreError> {
    fetch_optional(connection, BY_ID, Binder::default().with(id.as_uuid())).await?.as_ref().map(read).transpose()
}

/// The tenant with this name.
pub(super) async fn by_name(connection: &mut Connection, name: &TenantSlug) -> Result<Option<Tenant>, StoreError> {
    let values = Binder::default().with(name.as_str().to_owned());
    fetch_optional(connection, BY_NAME, values).await?.as_ref().map(read).transpose()
}

/// True when there is such a tenant.
pub(super) async fn exists(connection: &mut Connection, id: TenantId) -> Result<bool, StoreError> {
    Ok(by_id(connection, id).await?.is_some())
}

const COUNT: &str = "SELECT COUNT(*) FROM tenants";
const LIST: &str = concat!("SELECT ", tenant_columns!(), " FROM tenants ORDER BY name LIMIT $1 OFFSET $2");

/// All tenants by name.
pub(super) async fn list(connection: &mut Connection, limit: u32, offset: u64) -> Result<Page<Tenant>, StoreError> {
    let total = count(fetch_optional(connection, COUNT, Binder::default()).await?)?;
    let rows = fetch(connection, LIST, Binder::default().page(limit, offset)).await?;
    Ok(Page { items: rows.iter().map(read).collect::<Result<_, _>>()?, total })
}

/// Reads a single number.
pub(super) fn count(row: Option<Row>) -> Result<u64, StoreError> {
    row.as_ref().map_or(Ok(0), |row| Reader::new("", row).number("count"))
}

const UPDATE: &str = concat!(
    "UPDATE tenants SET display_name = COALESCE($2, display_name), disabled = COALESCE($3, disabled) WHERE id = $1
     RETURNING ",
    tenant_columns!()
);

/// Changes what is given.
pub(super) async fn update(
    connection: &mut Connection,
    id: TenantId,
    display_name: Option<String>,
    disabled: Option<bool>,
) -> Result<Option<Tenant>, StoreError> {
    let values = Binder::default().with(id.as_uuid()).with(display_name).with(disabled);
    fetch_optional(connection, UPDATE, values).await?.as_ref().map(read).transpose()
}

/// Deletes the tenant with all its rows.
pub(super) async fn delete(connection: &mut Connection, id: TenantId) -> Result<bool, StoreError> {
    let values = Binder::default().with(id.as_uuid());
    Ok(execute(connection, "DELETE FROM tenants WHERE id = $1", values).await? > 0)
}

const CREATE_KEY: &str = "INSERT INTO api_keys (id, tenant_id, name, scopes, hash, created_at)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT DO NOTHING";

/// Stores a key.
pub(super) async fn create_key(connection: &mut Connection, key: NewKey) -> Result<(), StoreError> {
    if let Some(tenant) = key.tenant_id
        && !exists(connection, tenant).await?
    {
        return Err(StoreError::NoParent);
    }
    let values = Binder::default().with(key.id.as_uuid()).with(key.tenant_id.map(TenantId::as_uuid));
    let values = values.with(key.name).with(key.scopes.to_text()).with(key.hash);
    match execute(connection, CREATE_KEY, values.with(key.created_at.as_micros())).await? {
        0 => Err(StoreError::Duplicate),
        _ => Ok(()),
    }
}

macro_rules! key_columns {
    () => {
        concat!(
            "api_keys.id, api_keys.name, api_keys.scopes, api_keys.created_at, api_keys.revoked_at, ",
            tenant_columns!()
        )
    };
}

/// Reads `key_columns`; the tenant's columns are empty for an operator's key.
fn read_key(row: &Row) -> Result<KeyRecord, StoreError> {
    let mut row = Reader::new("api_keys", row);
    Ok(KeyRecord {
        id: row.id(KeyId::from_uuid)?,
        name: row.get()?,
        scopes: row.word("scopes", Scopes::parse)?,
        created_at: row.at()?,
        revoked_at: row.maybe_at()?,
        tenant: read_key_tenant(&mut row)?,
    })
}

fn read_key_tenant(row: &mut Reader<'_>) -> Result<Option<Tenant>, StoreError> {
    let Some(id) = row.get::<Option<Uuid>>()? else { return Ok(None) };
    Ok(Some(Tenant {
        id: TenantId::from_uuid(id),
        name: row.word("tenant_id", |name| TenantSlug::parse(name).ok())?,
        display_name: row.get()?,
        disabled: row.get()?,
        created_at: row.at()?,
    }))
}

const KEY_BY_HASH: &str = concat!(
    "SELECT ",
    key_columns!(),
    " FROM api_keys LEFT JOIN tenants ON tenants.id = api_keys.tenant_id WHERE api_keys.hash = $1"
);

/// The key with this hash and its tenant.
pub(super) async fn key_by_hash(connection: &mut Connection, hash: &str) -> Result<Option<KeyRecord>, StoreError> {
    let values = Binder::default().with(hash.to_owned());
    fetch_optional(connection, KEY_BY_HASH, values).await?.as_ref().map(read_key).transpose()
}

const KEY_BY_ID: &str = concat!(
    "SELECT ",
    key_columns!(),
    " FROM api_keys LEFT JOIN tenants ON tenants.id = api_keys.tenant_id
     WHERE api_keys.tenant_id = $1 AND api_keys.id = $2"
);

/// The tenant's key with this id.
pub(super) async fn key_by_id(
    connection: &mut Connection,
    tenant: TenantId,
    id: KeyId,
) -> Result<Option<KeyRecord>, StoreError> {
    let values = Binder::default().with(tenant.as_uuid()).with(id.as_uuid());
    fetch_optional(connection, KEY_BY_ID, values).await?.as_ref().map(read_key).transpose()
}

/// Keys of `$1`, or of the operators when it is null.
macro_rules! of_tenant {
    () => {
        "(api_keys.tenant_id = $1 OR ($1 IS NULL AND api_keys.tenant_id IS NULL))"
    };
}

const COUNT_KEYS: &str = concat!("SELECT COUNT(*) FROM api_keys WHERE ", of_tenant!());
const LIST_KEYS: &str = concat!(
    "SELECT ",
    key_columns!(),
    " FROM api_keys LEFT JOIN tenants ON tenants.id = api_keys.tenant_id WHERE ",
    of_tenant!(),
    " ORDER BY api_keys.created_at DESC, api_keys.id DESC LIMIT $2 OFFSET $3"
);

/// A tenant's keys, or the operators' for `None`, the newest first.
pub(super) async fn keys(
    connection: &mut Connection,
    tenant: Option<TenantId>,
    limit: u32,
    offset: u64,
) -> Result<Page<KeyRecord>, StoreError> {
    let whose = || Binder::default().with(tenant.map(TenantId::as_uuid));
    let total = count(fetch_optional(connection, COUNT_KEYS, whose()).await?)?;
    let rows = fetch(connection, LIST_KEYS, whose().page(limit, offset)).await?;
    Ok(Page { items: rows.iter().map(read_key).collect::<Result<_, _>>()?, total })
}

const REVOKE_KEY: &str =
    concat!("UPDATE api_keys SET revoked_at = $3 WHERE id = $2 AND revoked_at IS NULL AND ", of_tenant!());

/// Revokes a key of this tenant (of the operators for `None`).
pub(super) async fn revoke_key(
    connection: &mut Connection,
    tenant: Option<TenantId>,
    id: KeyId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let values = Binder::default().with(tenant.map(TenantId::as_uuid)).with(id.as_uuid()).with(now.as_micros());
    Ok(execute(connection, REVOKE_KEY, values).await? > 0)
}
