//! The demo's tenant and its key.

use std::path::Path;

use ortolan_domain::{Scope, TenantSlug};

use crate::Failure;
use crate::client::{Client, ClientError, Target, keep_key, kept_key};

const TENANT: &str = "demo";
const SCOPES: [Scope; 3] = [Scope::Read, Scope::Write, Scope::Admin];

/// A client that acts for the demo's tenant, and its key: the kept one while it works, else a new one that is kept from
/// now on. A server that asks for no key gets none.
pub(super) async fn demo_client(
    url: &str,
    operator_key: Option<&str>,
    data_dir: &Path,
) -> Result<(Client, Option<String>), Failure> {
    let kept = kept_key(data_dir);
    if let Some(client) = working_client(url, kept.clone()).await? {
        return Ok((client, kept));
    }
    if let Some(operator_key) = operator_key {
        let key = make_key(&client(url, Some(operator_key.to_owned()))?).await?;
        keep_key(data_dir, &key).map_err(|error| Failure::file("keep the demo's key in", data_dir, error))?;
        return Ok((client(url, Some(key.clone()))?, Some(key)));
    }
    match working_client(url, None).await? {
        Some(client) => Ok((client, None)),
        None => Err(Failure::Usage(
            "the demo has no key of its own and an operator's key is needed to make one: set ORTOLAN_OPERATOR_KEY to the one \
             that the first start printed, start with --no-demo, or start afresh with another --data-dir"
                .to_owned(),
        )),
    }
}

fn client(url: &str, key: Option<String>) -> Result<Client, ClientError> {
    Client::new(Target::new(url, key, None)?)
}

/// A client that the server takes for a tenant's; `None` when it does not.
async fn working_client(url: &str, key: Option<String>) -> Result<Option<Client>, Failure> {
    let client = client(url, key)?;
    match client.me().await {
        Ok(me) => Ok(me.tenant.is_some().then_some(client)),
        Err(error) if matches!(error.status(), Some(401 | 403)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn make_key(operator: &Client) -> Result<String, Failure> {
    let name = TenantSlug::parse(TENANT).map_err(|error| Failure::internal("the demo's tenant", error))?;
    let tenant = match operator.create_tenant(&name).await {
        Ok(tenant) => Some(tenant),
        Err(error) if error.status() == Some(409) => operator.tenant(TENANT).await?,
        Err(error) => return Err(error.into()),
    };
    let tenant = tenant.ok_or_else(|| Failure::NotFound(format!("the tenant {TENANT:?} went away")))?;
    let key = operator.create_key(&tenant.id, "demo", &SCOPES).await?;
    key.key.ok_or_else(|| Failure::internal("a new key", "the server did not show it"))
}
