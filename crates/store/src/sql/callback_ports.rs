//! The port of what is done after tasks have ended, implemented by the dialect's `Store`.

use async_trait::async_trait;
use futures::FutureExt as _;
use ortolan_domain::{TaskId, TenantId, Timestamp};

use super::super::Store;
use super::callbacks;
use crate::{
    CallbackStore, Delivery, DeliveryAttempt, DeliveryClaim, DeliveryKey, DeliveryOutcome, StoreError, WebhookSecret,
};

#[async_trait]
impl CallbackStore for Store {
    async fn owed(&self, now: Timestamp) -> Result<Vec<TenantId>, StoreError> {
        callbacks::owed(&mut *self.read().await?, now).await
    }

    async fn claim_deliveries(&self, claim: DeliveryClaim) -> Result<Vec<Delivery>, StoreError> {
        let upkeep = self.lanes.upkeep();
        upkeep
            .single(move |to, _| {
                let claim = claim.clone();
                async move { callbacks::claim(to, &claim).await }.boxed()
            })
            .await
    }

    async fn end_delivery(
        &self,
        key: DeliveryKey,
        owner: &str,
        outcome: DeliveryOutcome,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let owner = owner.to_owned();
        let upkeep = self.lanes.upkeep();
        upkeep.single(move |to, _| callbacks::end(to, key, owner.clone(), outcome.clone(), now).boxed()).await
    }

    async fn deliveries(
        &self,
        tenant: TenantId,
        task: TaskId,
    ) -> Result<Option<Vec<(Delivery, Vec<DeliveryAttempt>)>>, StoreError> {
        callbacks::list(&mut *self.read().await?, tenant, task).await
    }

    async fn redeliver(&self, tenant: TenantId, key: DeliveryKey, now: Timestamp) -> Result<bool, StoreError> {
        self.lanes.steers().single(move |to, _| callbacks::redeliver(to, tenant, key, now).boxed()).await
    }

    async fn webhook_secret(&self, tenant: TenantId) -> Result<Option<WebhookSecret>, StoreError> {
        callbacks::secret(&mut *self.read().await?, tenant).await
    }

    async fn ensure_webhook_secret(
        &self,
        tenant: TenantId,
        secret: &str,
        now: Timestamp,
    ) -> Result<WebhookSecret, StoreError> {
        if let Some(kept) = self.webhook_secret(tenant).await? {
            return Ok(kept);
        }
        let secret = secret.to_owned();
        self.lanes.steers().single(move |to, _| callbacks::ensure_secret(to, tenant, secret.clone(), now).boxed()).await
    }

    async fn rotate_webhook_secret(
        &self,
        tenant: TenantId,
        secret: &str,
        previous_until: Timestamp,
        now: Timestamp,
    ) -> Result<WebhookSecret, StoreError> {
        let secret = secret.to_owned();
        let steers = self.lanes.steers();
        steers
            .single(move |to, _| callbacks::rotate_secret(to, tenant, secret.clone(), previous_until, now).boxed())
            .await
    }
}
