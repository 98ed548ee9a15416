//! The operator, who makes tenants.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use serde_json::{Value, json};

use crate::tenant::Tenant;

/// The operator of an installation.
#[derive(Clone)]
pub struct Operator {
    client: Client,
    base: String,
    key: String,
}

/// A key that nobody can guess.
pub(crate) fn random_key() -> String {
    format!("{}{}", uuid::Uuid::now_v7().simple(), uuid::Uuid::now_v7().simple())
}

/// A client for servers of this machine.
pub(crate) fn client() -> Result<Client> {
    // A second installation in the same process is refused, and that is fine.
    drop(rustls::crypto::ring::default_provider().install_default());
    Ok(Client::builder().no_proxy().timeout(Duration::from_secs(120)).build()?)
}

impl Operator {
    pub(crate) fn new(client: Client, base: String, key: String) -> Self {
        Self { client, base, key }
    }

    /// Makes a tenant and a key with all of a tenant's scopes.
    pub async fn tenant(&self, name: &str) -> Result<Tenant> {
        let tenant = self.create("/api/v1/tenants", json!({"name": name})).await?;
        let id = tenant["id"].as_str().context("the tenant has no id")?;
        let scopes = json!({"name": "test", "scopes": ["read", "write", "admin"]});
        let key = self.create(&format!("/api/v1/tenants/{id}/keys"), scopes).await?;
        let key = key["key"].as_str().context("the key is not shown")?.to_owned();
        Ok(Tenant::new(self.client.clone(), self.base.clone(), name.to_owned(), key))
    }

    /// Posts and expects 201.
    pub async fn create(&self, path: &str, body: Value) -> Result<Value> {
        let answer = self.client.post(format!("{}{path}", self.base)).bearer_auth(&self.key).json(&body).send().await?;
        ensure!(answer.status() == 201, "{path}: {} {}", answer.status(), answer.text().await?);
        Ok(answer.json().await?)
    }
}
