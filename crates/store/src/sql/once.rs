//! Tenants and keys that are made at most once for an `Idempotency-Key`.
//!
//! A key for a tenant's own things lies with the tenant. One that makes a tenant lies with what it made, and no other tenant
//! can have it.

use ortolan_domain::{KeyId, TenantId, Timestamp};
use sqlx::types::Uuid;

use super::binder::{Binder, execute, fetch_optional};
use super::keys::{self, KeyClaim, KeyHolder, Scope};
use super::reader::Reader;
use super::{Connection, tenants};
use crate::{Idempotency, NewKey, NewKeyOutcome, NewTenantOutcome, StoreError, Tenant};

const FORGET: &str = "DELETE FROM idempotency_keys WHERE scope = 'tenant' AND key = $1 AND expires_at <= $2";

const HOLDER: &str = "SELECT target_id, request_hash FROM idempotency_keys WHERE scope = 'tenant' AND key = $1";

const KEEP: &str = "INSERT INTO idempotency_keys (tenant_id, scope, key, request_hash, target_id, expires_at)
     VALUES ($1, 'tenant', $2, $3, $1, $4) ON CONFLICT DO NOTHING";

/// Stores a tenant, unless its key was used before.
pub(super) async fn create_tenant(
    connection: &mut Connection,
    tenant: Tenant,
    idempotency: Idempotency,
) -> Result<NewTenantOutcome, StoreError> {
    let (id, now) = (tenant.id, tenant.created_at);
    if let Some(before) = tenant_before(connection, &idempotency, now).await? {
        return Ok(before);
    }
    match tenants::create(connection, tenant).await {
        // Of equal requests at the same time this one came second: it sees the first one's row now.
        Err(StoreError::Duplicate) => {
            let before = tenant_before(connection, &idempotency, now).await?;
            return before.ok_or(StoreError::Duplicate);
        }
        made => made?,
    }
    let values = Binder::default().with(id.as_uuid()).with(idempotency.key).with(idempotency.request_hash);
    if execute(connection, KEEP, values.with(idempotency.expires_at.as_micros())).await? > 0 {
        return Ok(NewTenantOutcome::Created);
    }
    tenants::delete(connection, id).await?;
    Ok(NewTenantOutcome::Conflict)
}

/// What the key made before, if it is known.
async fn tenant_before(
    connection: &mut Connection,
    idempotency: &Idempotency,
    now: Timestamp,
) -> Result<Option<NewTenantOutcome>, StoreError> {
    let key = || Binder::default().with(idempotency.key.clone());
    execute(connection, FORGET, key().with(now.as_micros())).await?;
    let Some(row) = fetch_optional(connection, HOLDER, key()).await? else { return Ok(None) };
    let mut row = Reader::new("idempotency_keys", &row);
    let target = TenantId::from_uuid(row.get::<Uuid>()?);
    if row.get::<&str>()? != idempotency.request_hash {
        return Ok(Some(NewTenantOutcome::Conflict));
    }
    let tenant = tenants::by_id(connection, target).await?.ok_or(StoreError::NoParent)?;
    Ok(Some(NewTenantOutcome::Replayed(Box::new(tenant))))
}

/// Stores a key, unless the idempotency key was used before.
pub(super) async fn create_key(
    connection: &mut Connection,
    key: NewKey,
    idempotency: Idempotency,
) -> Result<NewKeyOutcome, StoreError> {
    let tenant = key.tenant_id.ok_or(StoreError::NoParent)?;
    let claim = KeyClaim { tenant, idempotency: &idempotency, target: key.id.as_uuid(), now: key.created_at };
    match keys::take(connection, Scope::Key, &[claim]).await?.pop().unwrap_or(KeyHolder::Ours) {
        KeyHolder::Ours => tenants::create_key(connection, key).await.map(|()| NewKeyOutcome::Created),
        KeyHolder::Other => Ok(NewKeyOutcome::Conflict),
        KeyHolder::Same(target) => {
            let before = tenants::key_by_id(connection, tenant, KeyId::from_uuid(target)).await?;
            before.map_or(Err(StoreError::NoParent), |key| Ok(NewKeyOutcome::Replayed(Box::new(key))))
        }
    }
}
