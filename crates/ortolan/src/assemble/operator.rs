//! The operator's key: given by the environment at the first start, or made then and shown once.

use anyhow::{Context, Result};
use ortolan_domain::{Clock, KeyId, Scope, Scopes, hash};
use ortolan_store::{NewKey, TenantStore};

/// Makes sure that there is an operator's key; gives the one that was made, which is kept nowhere in clear.
pub async fn ensure_key(tenants: &dyn TenantStore, given: Option<&str>, clock: &dyn Clock) -> Result<Option<String>> {
    let known = tenants.keys(None, 1, 0).await?.total > 0;
    match (given, known) {
        (Some(key), false) => store(tenants, key, clock).await.map(|()| None),
        (Some(key), true) => {
            if tenants.key_by_hash(&hash::sha256_hex(key.as_bytes())).await?.is_none() {
                tracing::warn!("ORTOLAN_OPERATOR_KEY is not the operator's key of this installation and was ignored");
            }
            Ok(None)
        }
        (None, true) => Ok(None),
        (None, false) => {
            let key = generate()?;
            store(tenants, &key, clock).await?;
            Ok(Some(key))
        }
    }
}

async fn store(tenants: &dyn TenantStore, key: &str, clock: &dyn Clock) -> Result<()> {
    let key = NewKey {
        id: KeyId::generate(),
        tenant_id: None,
        name: "operator".to_owned(),
        scopes: Scopes::from_iter([Scope::Operator]),
        hash: hash::sha256_hex(key.as_bytes()),
        created_at: clock.now(),
    };
    Ok(tenants.create_key(&key).await?)
}

/// 256 random bits with a prefix that tells people, and secret scanners, what it is.
fn generate() -> Result<String> {
    let mut bits = [0u8; 32];
    getrandom::fill(&mut bits).ok().context("the system gave no random bits")?;
    Ok(format!("ortolan_op_{}", hash::hex(&bits)))
}
