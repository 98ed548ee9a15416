//! The ports of the registry and of the quarantine, implemented by the dialect's `Store`.

use async_trait::async_trait;
use futures::FutureExt as _;
use ortolan_domain::model::{Model, ModelFile, RegistryName, VersionLabel};
use ortolan_domain::{ModelId, Slot, TenantId, Timestamp};
use sqlx::types::Uuid;

use super::super::Store;
use super::{model_moves, models, quarantine};
use crate::{
    CrashPair, CrashRecord, Idempotency, ModelChanges, ModelFilter, ModelMoved, ModelStore, NewModelOutcome, Page,
    QuarantineStore, StoreError, Verdict,
};

#[async_trait]
impl ModelStore for Store {
    async fn create_model(
        &self,
        model: &Model,
        idempotency: Option<Idempotency>,
    ) -> Result<NewModelOutcome, StoreError> {
        let model = model.clone();
        let steers = self.lanes.steers();
        steers.single(move |to, _| model_moves::create(to, model.clone(), idempotency.clone()).boxed()).await
    }

    async fn model(&self, tenant: TenantId, id: ModelId) -> Result<Option<Model>, StoreError> {
        models::by_id(&mut *self.read().await?, tenant, id).await
    }

    async fn models_by_ids(&self, tenant: TenantId, ids: &[ModelId]) -> Result<Vec<Model>, StoreError> {
        models::by_ids(&mut *self.read().await?, tenant, ids).await
    }

    async fn model_by_version(
        &self,
        tenant: TenantId,
        name: &RegistryName,
        version: &VersionLabel,
    ) -> Result<Option<Model>, StoreError> {
        models::by_version(&mut *self.read().await?, tenant, name, version).await
    }

    async fn latest_model(
        &self,
        tenant: TenantId,
        name: &RegistryName,
        ready_only: bool,
    ) -> Result<Option<Model>, StoreError> {
        models::latest(&mut *self.read().await?, tenant, name, ready_only).await
    }

    async fn latest_ready_models(&self, tenant: TenantId, names: &[RegistryName]) -> Result<Vec<Model>, StoreError> {
        models::latest_ready(&mut *self.read().await?, tenant, names).await
    }

    async fn model_versions(&self, tenant: TenantId, name: &RegistryName) -> Result<Page<Model>, StoreError> {
        models::versions(&mut *self.read().await?, tenant, name).await
    }

    async fn list_models(&self, tenant: TenantId, filter: &ModelFilter) -> Result<Page<Model>, StoreError> {
        models::list(&mut *self.read().await?, tenant, filter).await
    }

    async fn update_model(
        &self,
        tenant: TenantId,
        id: ModelId,
        changes: ModelChanges,
        now: Timestamp,
    ) -> Result<ModelMoved, StoreError> {
        let steers = self.lanes.steers();
        steers.single(move |to, _| model_moves::update(to, tenant, id, changes.clone(), now).boxed()).await
    }

    async fn record_model_file(
        &self,
        tenant: TenantId,
        id: ModelId,
        file: ModelFile,
        now: Timestamp,
    ) -> Result<ModelMoved, StoreError> {
        let steers = self.lanes.steers();
        steers.single(move |to, _| model_moves::record_file(to, tenant, id, file.clone(), now).boxed()).await
    }

    async fn forget_model_file(
        &self,
        tenant: TenantId,
        id: ModelId,
        revision: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let steers = self.lanes.steers();
        steers.single(move |to, _| model_moves::forget_file(to, tenant, id, revision, now).boxed()).await
    }

    async fn begin_validation(
        &self,
        tenant: TenantId,
        id: ModelId,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<ModelMoved, StoreError> {
        let steers = self.lanes.steers();
        steers.single(move |to, _| model_moves::begin_validation(to, tenant, id, until, now).boxed()).await
    }

    async fn end_validation(
        &self,
        tenant: TenantId,
        id: ModelId,
        revision: i64,
        verdict: Verdict,
        now: Timestamp,
    ) -> Result<Option<Model>, StoreError> {
        let steers = self.lanes.steers();
        steers
            .single(move |to, _| model_moves::end_validation(to, tenant, id, revision, verdict.clone(), now).boxed())
            .await
    }

    async fn delete_model(&self, tenant: TenantId, id: ModelId) -> Result<Option<Model>, StoreError> {
        self.lanes.steers().single(move |to, _| model_moves::delete(to, tenant, id).boxed()).await
    }
}

#[async_trait]
impl QuarantineStore for Store {
    async fn record_crash(
        &self,
        tenant: TenantId,
        pair: &CrashPair,
        model: &str,
        now: Timestamp,
    ) -> Result<CrashRecord, StoreError> {
        let (pair, model) = (pair.clone(), model.to_owned());
        let steers = self.lanes.steers();
        steers.single(move |to, _| quarantine::record(to, tenant, pair.clone(), model.clone(), now).boxed()).await
    }

    async fn record_run_crash(
        &self,
        tenant: TenantId,
        pair: &CrashPair,
        model: &str,
        now: Timestamp,
    ) -> Result<CrashRecord, StoreError> {
        let (pair, model) = (pair.clone(), model.to_owned());
        let steers = self.lanes.steers();
        steers
            .single(move |to, _| quarantine::record_of_run(to, tenant, pair.clone(), model.clone(), now).boxed())
            .await
    }

    async fn quarantined_in_slot(
        &self,
        tenant: TenantId,
        slot: Slot,
        input_hash: &str,
    ) -> Result<Option<CrashRecord>, StoreError> {
        quarantine::find_in_slot(&mut *self.read().await?, tenant, slot, input_hash).await
    }

    async fn has_quarantined(&self, tenant: TenantId, model_sha256: &str) -> Result<bool, StoreError> {
        quarantine::has(&mut *self.read().await?, tenant, model_sha256).await
    }

    async fn quarantined(&self, tenant: TenantId, pair: &CrashPair) -> Result<Option<CrashRecord>, StoreError> {
        quarantine::find(&mut *self.read().await?, tenant, pair).await
    }

    async fn quarantine(&self, tenant: TenantId, limit: u32, offset: u64) -> Result<Page<CrashRecord>, StoreError> {
        quarantine::list(&mut *self.read().await?, tenant, limit, offset).await
    }

    async fn lift_quarantine(&self, tenant: TenantId, id: Uuid) -> Result<bool, StoreError> {
        self.lanes.steers().single(move |to, _| quarantine::lift(to, tenant, id).boxed()).await
    }

    async fn lift_all_quarantine(&self, tenant: TenantId) -> Result<u64, StoreError> {
        self.lanes.steers().single(move |to, _| quarantine::lift_all(to, tenant).boxed()).await
    }

    async fn forget_crashes(&self, last_before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.lanes.upkeep().single(move |to, _| quarantine::forget(to, last_before, limit).boxed()).await
    }
}
