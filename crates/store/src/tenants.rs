//! The port of tenants and keys.

use async_trait::async_trait;
use ortolan_domain::{KeyId, Scopes, TenantId, TenantSlug, Timestamp};

use crate::{Idempotency, Page, StoreError};

/// A customer.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name, which never changes.
    pub name: TenantSlug,
    /// A name for people.
    pub display_name: Option<String>,
    /// A disabled tenant's keys are refused.
    pub disabled: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A key that is about to be stored. The key itself is never stored.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Its id.
    pub id: KeyId,
    /// Whose; `None` for an operator's key.
    pub tenant_id: Option<TenantId>,
    /// A name for people.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// SHA-256 of the key in hexadecimal.
    pub hash: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A stored key.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyRecord {
    /// Its id.
    pub id: KeyId,
    /// Whose; `None` for an operator's key.
    pub tenant: Option<Tenant>,
    /// A name for people.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// What became of a new tenant that came with an idempotency key.
#[derive(Debug, Clone, PartialEq)]
pub enum NewTenantOutcome {
    /// Stored.
    Created,
    /// The same key came with the same request before: that tenant, as it is now.
    Replayed(Box<Tenant>),
    /// The same key came with another request before.
    Conflict,
}

/// What became of a new key that came with an idempotency key.
#[derive(Debug, Clone, PartialEq)]
pub enum NewKeyOutcome {
    /// Stored.
    Created,
    /// The same idempotency key came with the same request before: that key, as it is now.
    Replayed(Box<KeyRecord>),
    /// The same idempotency key came with another request before.
    Conflict,
}

/// Tenants and their keys.
#[async_trait]
pub trait TenantStore: Send + Sync {
    /// Stores a tenant; [`StoreError::Duplicate`] when the name is taken.
    async fn create_tenant(&self, tenant: &Tenant) -> Result<(), StoreError>;

    /// The same, at most once for this key of an operator's.
    async fn create_tenant_once(&self, tenant: &Tenant, key: Idempotency) -> Result<NewTenantOutcome, StoreError>;

    /// The tenant with this id.
    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError>;

    /// The tenant with this name.
    async fn tenant_by_name(&self, name: &TenantSlug) -> Result<Option<Tenant>, StoreError>;

    /// All tenants by name.
    async fn tenants(&self, limit: u32, offset: u64) -> Result<Page<Tenant>, StoreError>;

    /// Changes what may change (`display_name`, `disabled`); `None` when there is no such tenant.
    async fn update_tenant(
        &self,
        id: TenantId,
        display_name: Option<&str>,
        disabled: Option<bool>,
    ) -> Result<Option<Tenant>, StoreError>;

    /// Deletes the tenant with all its rows; false when there is no such tenant.
    async fn delete_tenant(&self, id: TenantId) -> Result<bool, StoreError>;

    /// Stores a key.
    async fn create_key(&self, key: &NewKey) -> Result<(), StoreError>;

    /// Stores a tenant's key at most once for this idempotency key of the tenant's.
    async fn create_key_once(&self, key: &NewKey, idempotency: Idempotency) -> Result<NewKeyOutcome, StoreError>;

    /// The key with this hash, revoked or not.
    async fn key_by_hash(&self, hash: &str) -> Result<Option<KeyRecord>, StoreError>;

    /// A tenant's keys, or the operators' for `None`, the newest first.
    async fn keys(&self, tenant: Option<TenantId>, limit: u32, offset: u64) -> Result<Page<KeyRecord>, StoreError>;

    /// Revokes a key of this tenant (of the operators for `None`); false when there is none that is not revoked yet.
    async fn revoke_key(&self, tenant: Option<TenantId>, id: KeyId, now: Timestamp) -> Result<bool, StoreError>;
}
