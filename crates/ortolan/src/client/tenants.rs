//! Tenants, their keys and their slots.

use ortolan_domain::{Scope, TenantSlug};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::pages::Paging;
use super::{Client, ClientError, Key, Me, Slot, Tenant, Upload};

impl Client {
    /// Who the key says we are.
    pub async fn me(&self) -> Result<Me, ClientError> {
        self.json(self.request(Method::GET, "/me")).await
    }

    /// Makes a tenant.
    pub async fn create_tenant(&self, name: &TenantSlug) -> Result<Tenant, ClientError> {
        self.json(self.request(Method::POST, "/tenants").json(&json!({ "name": name }))).await
    }

    /// All tenants by name.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, ClientError> {
        self.list("/tenants", Paging::Numbered, usize::MAX).await
    }

    /// The tenant with this name or id.
    pub async fn tenant(&self, name_or_id: &str) -> Result<Option<Tenant>, ClientError> {
        let tenants = self.tenants().await?;
        Ok(tenants.into_iter().find(|tenant| tenant.name == name_or_id || tenant.id == name_or_id))
    }

    /// Lets a tenant's keys in, or refuses them.
    pub async fn set_tenant_disabled(&self, id: &str, disabled: bool) -> Result<Tenant, ClientError> {
        self.json(self.request(Method::PATCH, &format!("/tenants/{id}")).json(&json!({ "disabled": disabled }))).await
    }

    /// Deletes a tenant with everything it has.
    pub async fn delete_tenant(&self, id: &str) -> Result<(), ClientError> {
        self.send(self.request(Method::DELETE, &format!("/tenants/{id}"))).await.map(drop)
    }

    /// Makes a key; its text is in this answer only.
    pub async fn create_key(&self, tenant_id: &str, name: &str, scopes: &[Scope]) -> Result<Key, ClientError> {
        let request = self.request(Method::POST, &format!("/tenants/{tenant_id}/keys"));
        self.json(request.json(&json!({ "name": name, "scopes": scopes }))).await
    }

    /// A tenant's keys, the newest first.
    pub async fn keys(&self, tenant_id: &str) -> Result<Vec<Key>, ClientError> {
        self.list(&format!("/tenants/{tenant_id}/keys"), Paging::Numbered, usize::MAX).await
    }

    /// Revokes a key at once.
    pub async fn revoke_key(&self, id: Uuid) -> Result<(), ClientError> {
        self.send(self.request(Method::DELETE, &format!("/keys/{id}"))).await.map(drop)
    }

    /// The tenant's slots.
    pub async fn slots(&self) -> Result<Vec<Slot>, ClientError> {
        self.list("/slots", Paging::Numbered, usize::MAX).await
    }

    /// Puts a model into a slot. The answer comes after the model was tried.
    pub async fn put_slot(&self, slot: ortolan_domain::Slot, file: Upload) -> Result<Slot, ClientError> {
        let request = self.request(Method::PUT, &format!("/slots/{}", slot.as_str()));
        self.json(file.into_body_of(request)).await
    }

    /// Empties a slot.
    pub async fn delete_slot(&self, slot: ortolan_domain::Slot) -> Result<(), ClientError> {
        self.send(self.request(Method::DELETE, &format!("/slots/{}", slot.as_str()))).await.map(drop)
    }
}
