//! Who is there from the first start: the operator, whose key the environment gives or who gets one that is shown once,
//! and the tenant for whom requests without a key act.

use anyhow::Result;
use ortolan_domain::{Clock, KeyId, Scope, Scopes, TenantId, TenantSlug};
use ortolan_store::{NewKey, StoreError, Tenant, TenantStore};

use crate::auth::secret::{SecretKey, hash_key};

/// Makes sure that there is an operator's key; gives the one that was made, which is kept nowhere in clear.
pub async fn ensure_key(tenants: &dyn TenantStore, given: Option<&str>, clock: &dyn Clock) -> Result<Option<String>> {
    let known = tenants.keys(None, 1, 0).await?.total > 0;
    match (given, known) {
        (Some(key), false) => store(tenants, key, clock).await.map(|()| None),
        (Some(key), true) => {
            if tenants.key_by_hash(&hash_key(key)).await?.is_none() {
                tracing::warn!("ORTOLAN_OPERATOR_KEY is not the operator's key of this installation and was ignored");
            }
            Ok(None)
        }
        (None, true) => Ok(None),
        (None, false) => {
            let key = SecretKey::generate()?;
            store(tenants, key.expose(), clock).await?;
            Ok(Some(key.expose().to_owned()))
        }
    }
}

/// Makes sure that there is the tenant for whom requests without a key act.
pub async fn ensure_tenant(tenants: &dyn TenantStore, name: &TenantSlug, clock: &dyn Clock) -> Result<()> {
    if tenants.tenant_by_name(name).await?.is_none() {
        let (id, created_at) = (TenantId::generate(), clock.now());
        let tenant = Tenant { id, name: name.clone(), display_name: None, disabled: false, created_at };
        tenants.create_tenant(&tenant).await?;
    }
    Ok(())
}

async fn store(tenants: &dyn TenantStore, key: &str, clock: &dyn Clock) -> Result<()> {
    let key = NewKey {
        id: KeyId::generate(),
        tenant_id: None,
        name: "operator".to_owned(),
        scopes: Scopes::from_iter([Scope::Operator]),
        hash: hash_key(key),
        created_at: clock.now(),
    };
    match tenants.create_key(&key).await {
        // Another API that started at the same time was quicker.
        Err(StoreError::Duplicate) => Ok(()),
        stored => Ok(stored?),
    }
}
