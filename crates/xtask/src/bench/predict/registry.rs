//! A tenant of Ortolan with the bench's models in its registry.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::cells::Cell;
use super::models::Models;
use crate::bench::client::Tenant;

/// A tenant with the models, ready to be asked.
#[derive(Debug)]
pub struct Registry {
    /// The header that shows its key.
    pub authorization: String,
    ids: BTreeMap<&'static str, String>,
}

impl Registry {
    /// Makes the tenant, registers every model and validates it.
    pub fn fill(address: SocketAddr, models: &Models) -> Result<Self> {
        // A name of its own for each server: those of the production profile share a database.
        let tenant = Tenant::create(address, &format!("bench-{}", address.port()))?;
        let mut ids = BTreeMap::new();
        for model in Cell::ALL.map(|cell| cell.model) {
            if !ids.contains_key(model) {
                ids.insert(model, register(&tenant, model, models)?);
            }
        }
        Ok(Self { authorization: tenant.authorization, ids })
    }

    /// The version's id.
    pub fn id(&self, model: &str) -> Result<&str> {
        self.ids.get(model).map(String::as_str).with_context(|| format!("no model {model}"))
    }
}

fn register(tenant: &Tenant, model: &str, models: &Models) -> Result<String> {
    let file = models.file(model);
    let bytes = std::fs::read(&file).with_context(|| format!("{}", file.display()))?;
    let mut client = tenant.client();
    let made = client.post_json("/api/v1/models", &json!({"name": model}), 201)?;
    let id = made["id"].as_str().context("no id")?.to_owned();
    tenant.upload_model(&id, &bytes)?;
    let verdict = client.post_json(&format!("/api/v1/models/{id}/validate"), &json!({}), 200)?;
    ensure!(verdict["status"] == "ready", "{model} was refused: {verdict}");
    Ok(id)
}
