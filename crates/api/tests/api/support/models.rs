//! Versions in the registry, ready to be asked.

use std::time::Duration;

use ortolan_domain::model::{Model, ModelFile, ModelStatus, RegistryName, VersionLabel};
use ortolan_domain::{Clock, ModelId, TenantSlug};
use ortolan_store::{ModelMoved, Verdict};

use super::app::TestApp;

impl TestApp {
    /// A version without a file.
    pub async fn pending_model(&self, tenant: &str, name: &str, version: &str) -> ModelId {
        let tenants = &self.wired.stores.tenants;
        let tenant = tenants.tenant_by_name(&TenantSlug::parse(tenant).unwrap()).await.unwrap().unwrap();
        let now = self.clock.now();
        let model = Model {
            id: ModelId::generate(),
            tenant_id: tenant.id,
            name: RegistryName::parse(name).unwrap(),
            version: VersionLabel::parse(version).unwrap(),
            description: None,
            metadata: Default::default(),
            status: ModelStatus::Pending,
            file: None,
            facts: None,
            error: None,
            revision: 1,
            validating_until: None,
            created_at: now,
            updated_at: now,
        };
        self.wired.stores.models.create_model(&model, None).await.unwrap();
        model.id
    }

    /// A version that can answer.
    pub async fn ready_model(&self, tenant: &str, name: &str, version: &str) -> ModelId {
        let id = self.pending_model(tenant, name, version).await;
        let (models, now) = (&self.wired.stores.models, self.clock.now());
        let tenants = &self.wired.stores.tenants;
        let tenant = tenants.tenant_by_name(&TenantSlug::parse(tenant).unwrap()).await.unwrap().unwrap().id;
        let file = ModelFile { sha256: "ab".to_owned(), size_bytes: 5 };
        models.record_model_file(tenant, id, file, now).await.unwrap();
        let until = now.plus(Duration::from_secs(60));
        let ModelMoved::Moved(begun) = models.begin_validation(tenant, id, until, now).await.unwrap() else {
            panic!("not moved")
        };
        let verdict = Verdict::Accepted(Box::default());
        models.end_validation(tenant, id, begun.revision, verdict, now).await.unwrap().unwrap();
        id
    }
}
