//! Who asks: keys, scopes, and the tenant that a request acts for.
//!
//! A key is looked up by its SHA-256; what was found is kept for a few seconds ([`cache`]) and dropped at once when keys or
//! tenants change, in this process or in another. Handlers name what they need in their signature ([`access`]).

mod access;
mod cache;
mod credentials;
mod local;
pub mod secret;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use ortolan_domain::{Clock, ErrorCode, KeyId, Scope, Scopes, TenantSlug};
use ortolan_results::Signals;
use ortolan_store::{Tenant, TenantStore};

pub use access::{
    Access, Admin, AdminAccess, AnyCaller, OperatorAccess, OperatorTenant, OptionalTenant, Read, ReadAccess,
    WriteAccess,
};
use cache::AuthCache;
use credentials::{Credentials, Digest};

use crate::error::ApiError;
use crate::state::ApiParts;

/// Whoever holds a valid key, and the tenant that the request acts for.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The key; `None` in the mode without keys.
    pub key: Option<CallerKey>,
    /// What it may do.
    pub scopes: Scopes,
    /// The key's own tenant, or the one that an operator named.
    pub tenant: Option<Arc<Tenant>>,
}

/// The key that a caller showed.
#[derive(Debug, Clone)]
pub struct CallerKey {
    /// Its id.
    pub id: KeyId,
    /// Its name.
    pub name: String,
    digest: Digest,
}

impl Caller {
    /// Who it is, for people who read a ledger: the key's name.
    pub fn name(&self) -> &str {
        self.key.as_ref().map_or("without a key", |key| &key.name)
    }

    /// True for a key of the whole installation.
    pub fn is_operator(&self) -> bool {
        self.scopes.allows(Scope::Operator)
    }
}

/// Finds out who asks.
pub struct Auth {
    tenants: Arc<dyn TenantStore>,
    clock: Arc<dyn Clock>,
    signals: Signals,
    cache: AuthCache,
    ttl: Duration,
    no_auth: Option<TenantSlug>,
    origins: Vec<String>,
}

impl Auth {
    pub(crate) fn new(parts: &ApiParts) -> Self {
        Self {
            tenants: Arc::clone(&parts.stores.tenants),
            clock: Arc::clone(&parts.clock),
            signals: parts.signals.clone(),
            cache: AuthCache::new(parts.signals.keys_changes()),
            ttl: parts.settings.key_cache_ttl,
            no_auth: parts.settings.no_auth.clone(),
            origins: parts.settings.cors_origins.clone(),
        }
    }

    /// Forgets everything that is known of keys and tenants, here and in other processes.
    pub(crate) fn keys_changed(&self) {
        self.cache.clear();
        self.signals.publish_keys_changed();
    }

    /// Says who sent a request with these headers, and for which tenant.
    pub(crate) async fn identify(&self, headers: &HeaderMap) -> Result<Arc<Caller>, ApiError> {
        let credentials = Credentials::read(headers)?;
        let holder = match &credentials.key {
            Some(digest) => self.holder(digest).await?,
            None => self.without_key(headers).await?,
        };
        match credentials.tenant {
            Some(wish) => self.act_for(holder, wish).await,
            None => Ok(holder),
        }
    }

    /// True while the key that a caller showed is valid, for streams that live longer than a request.
    pub(crate) async fn is_still_valid(&self, caller: &Caller) -> bool {
        match &caller.key {
            Some(key) => self.holder(&key.digest).await.is_ok(),
            None => true,
        }
    }

    async fn holder(&self, digest: &Digest) -> Result<Arc<Caller>, ApiError> {
        let now = self.clock.now();
        let (known, generation) = self.cache.key(digest, now);
        if let Some(caller) = known {
            return Ok(caller);
        }
        let record = self.tenants.key_by_hash(&ortolan_domain::hash::hex(digest)).await?;
        let record = record.filter(|key| key.revoked_at.is_none()).ok_or_else(unknown_key)?;
        let tenant = record.tenant.map(Arc::new);
        refuse_disabled(tenant.as_deref())?;
        let key = Some(CallerKey { id: record.id, name: record.name, digest: *digest });
        let caller = Arc::new(Caller { key, scopes: record.scopes, tenant });
        self.cache.keep_key(*digest, Arc::clone(&caller), now.plus(self.ttl), generation);
        Ok(caller)
    }

    async fn without_key(&self, headers: &HeaderMap) -> Result<Arc<Caller>, ApiError> {
        let Some(name) = &self.no_auth else { return Err(missing_key()) };
        local::require_local_page(headers, &self.origins)?;
        let tenant = self.tenant_named(name.as_str()).await?.ok_or_else(missing_key)?;
        let scopes = [Scope::Read, Scope::Write, Scope::Admin].into_iter().collect();
        Ok(Arc::new(Caller { key: None, scopes, tenant: Some(tenant) }))
    }

    /// The caller in the tenant that it named: its own, or any for an operator.
    async fn act_for(&self, caller: Arc<Caller>, wish: &str) -> Result<Arc<Caller>, ApiError> {
        let names = |tenant: &Tenant| tenant.name.as_str() == wish || tenant.id.to_string() == wish;
        if caller.tenant.as_deref().is_some_and(names) {
            return Ok(caller);
        }
        if !caller.is_operator() {
            return Err(ApiError::new(ErrorCode::Forbidden, "only an operator's key may name another tenant"));
        }
        let tenant = self.tenant_named(wish).await?.ok_or_else(|| ApiError::not_found("tenant"))?;
        refuse_disabled(Some(&tenant))?;
        Ok(Arc::new(Caller { tenant: Some(tenant), ..Caller::clone(&caller) }))
    }

    async fn tenant_named(&self, wish: &str) -> Result<Option<Arc<Tenant>>, ApiError> {
        let now = self.clock.now();
        let (known, generation) = self.cache.tenant(wish, now);
        if known.is_some() {
            return Ok(known);
        }
        let by_id = match wish.parse() {
            Ok(id) => self.tenants.tenant(id).await?,
            Err(_) => None,
        };
        let found = match (by_id, TenantSlug::parse(wish)) {
            (Some(tenant), _) => Some(tenant),
            (None, Ok(name)) => self.tenants.tenant_by_name(&name).await?,
            (None, Err(_)) => None,
        };
        let found = found.map(Arc::new);
        if let Some(tenant) = &found {
            self.cache.keep_tenant(wish, Arc::clone(tenant), now.plus(self.ttl), generation);
        }
        Ok(found)
    }
}

fn refuse_disabled(tenant: Option<&Tenant>) -> Result<(), ApiError> {
    match tenant {
        Some(tenant) if tenant.disabled => Err(ApiError::new(ErrorCode::Forbidden, "the tenant is disabled")),
        _ => Ok(()),
    }
}

fn missing_key() -> ApiError {
    ApiError::new(ErrorCode::Unauthenticated, "send an API key as 'Authorization: Bearer <key>' or 'X-API-Key: <key>'")
}

fn unknown_key() -> ApiError {
    ApiError::new(ErrorCode::Unauthenticated, "the API key is not valid")
}
