//! Which file answers: a version in the registry or a slot, with what it takes and gives.
//!
//! What was found is kept for a moment, so that a burst of predictions asks the database and the ML service once.

use std::sync::Arc;
use std::time::Duration;

use ortolan_domain::model::{Model, ModelRef, ModelStatus, RegistryName, VersionLabel};
use ortolan_domain::{ErrorCode, ModelId, Slot, TenantId};
use ortolan_ml_client::ModelSignature;
use ortolan_results::Signals;
use ortolan_store::Tenant;

use crate::error::ApiError;
use crate::recent::Recent;
use crate::state::ApiState;

/// How long a found model is used without looking again.
const KEPT: Duration = Duration::from_secs(1);

/// A model that can answer.
#[derive(Debug)]
pub struct Target {
    /// How the ML service knows it.
    pub model: ModelRef,
    /// The version in the registry; a slot has none.
    pub version_id: Option<ModelId>,
    /// Its name for clients.
    pub name: String,
    /// Its version for clients.
    pub version: String,
    /// SHA-256 of the file as the registry has it.
    pub sha256: Option<String>,
    /// What it takes and gives.
    pub signature: ModelSignature,
    /// True when some inputs crashed it too often, so that each has to be looked up.
    pub has_quarantined: bool,
}

/// What a client calls a model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// A version by its id.
    Id(ModelId),
    /// A name, and a version of it if not the latest.
    Named(String, Option<String>),
}

/// Models that were found a moment ago.
pub struct Targets(Recent<(TenantId, Wanted), Arc<Target>>);

impl Targets {
    pub(crate) fn new(signals: &Signals) -> Self {
        Self(Recent::new(signals, KEPT))
    }

    /// The model that a client wants: 404 when there is none, 400 when it is not ready.
    pub(crate) async fn find(
        &self,
        state: &ApiState,
        tenant: &Tenant,
        wanted: Wanted,
    ) -> Result<Arc<Target>, ApiError> {
        let key = (tenant.id, wanted);
        if let Some(target) = self.0.recall(&key, state.now()) {
            return Ok(target);
        }
        let target = Arc::new(look_up(state, tenant, &key.1).await?);
        self.0.keep(key, &tenant.name, Arc::clone(&target), state.now());
        Ok(target)
    }
}

async fn look_up(state: &ApiState, tenant: &Tenant, wanted: &Wanted) -> Result<Target, ApiError> {
    match wanted {
        Wanted::Id(id) => {
            let model = state.stores.models.model(tenant.id, *id).await?;
            of_version(state, tenant, model.ok_or_else(|| ApiError::not_found("model"))?).await
        }
        Wanted::Named(name, version) => match find_version(state, tenant, name, version.as_deref()).await? {
            Some(model) => of_version(state, tenant, model).await,
            None => of_slot(state, tenant, name, version.as_deref()).await,
        },
    }
}

/// The registry's version of this name: the one that is named, else the latest ready one.
async fn find_version(
    state: &ApiState,
    tenant: &Tenant,
    name: &str,
    version: Option<&str>,
) -> Result<Option<Model>, ApiError> {
    let Ok(name) = RegistryName::parse(name) else { return Ok(None) };
    let models = &state.stores.models;
    Ok(match version.map(VersionLabel::parse) {
        None => models.latest_model(tenant.id, &name, true).await?,
        Some(Ok(version)) => models.model_by_version(tenant.id, &name, &version).await?,
        Some(Err(_)) => None,
    })
}

async fn of_version(state: &ApiState, tenant: &Tenant, model: Model) -> Result<Target, ApiError> {
    if model.effective_status(state.now()) != ModelStatus::Ready {
        let detail = format!("the model is not ready: its status is '{}'", model.status);
        return Err(ApiError::new(ErrorCode::MalformedRequest, detail));
    }
    let sha256 = model.file.map(|file| file.sha256);
    let reference = ModelRef::new(tenant.name.clone(), model.id);
    let signature = state.inference.describe_model(reference.clone(), sha256.clone()).await?;
    let has_quarantined = state.stores.quarantine.has_quarantined(tenant.id, &signature.sha256).await?;
    let (name, version) = (model.name.to_string(), model.version.to_string());
    Ok(Target { model: reference, version_id: Some(model.id), name, version, sha256, signature, has_quarantined })
}

/// A slot; its versions are its generations, of which only the present one is served.
async fn of_slot(state: &ApiState, tenant: &Tenant, name: &str, version: Option<&str>) -> Result<Target, ApiError> {
    let unknown = || ApiError::not_found("model");
    let slot = Slot::parse(name).map_err(|_| unknown())?;
    let path = crate::slots::model_path(&tenant.name, slot)?;
    if state.blobs.facts(&path).await?.is_none() {
        return Err(unknown());
    }
    let records = state.stores.slots.slots(tenant.id).await?;
    let generation =
        records.iter().find(|record| record.slot == slot).map_or(1, |record| record.generation).to_string();
    if version.is_some_and(|version| version != generation) {
        return Err(unknown());
    }
    let reference = ModelRef::new(tenant.name.clone(), slot);
    let signature = state.inference.describe_model(reference.clone(), None).await?;
    let has_quarantined = state.stores.quarantine.has_quarantined(tenant.id, &signature.sha256).await?;
    Ok(Target {
        model: reference,
        version_id: None,
        name: name.to_owned(),
        version: generation,
        sha256: None,
        signature,
        has_quarantined,
    })
}
