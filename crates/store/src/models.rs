//! The port of the registry: versions of models, and what each slot served when.

use async_trait::async_trait;
use ortolan_domain::model::{Model, ModelFacts, ModelFile, ModelMove, ModelStatus, RegistryName, VersionLabel};
use ortolan_domain::{ModelId, TenantId, Timestamp};
use serde_json::{Map, Value};

use crate::{Idempotency, Order, Page, StoreError};

/// The most versions of one name that are read at once.
pub const MAX_VERSIONS: u32 = 1_000;

/// What became of a new version.
#[derive(Debug, Clone, PartialEq)]
pub enum NewModelOutcome {
    /// Stored.
    Created,
    /// The same key came with the same request before: that version, as it stands now.
    Replayed(Box<Model>),
    /// The same key came with another request before.
    Conflict,
}

/// What became of a move that the version's status may forbid.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelMoved {
    /// It stands so now.
    Moved(Box<Model>),
    /// Its status does not allow it; nothing changed.
    Refused(Box<Model>),
    /// There is no such version.
    Missing,
}

/// What an owner changes of a version; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct ModelChanges {
    /// A new name.
    pub name: Option<RegistryName>,
    /// A new version.
    pub version: Option<VersionLabel>,
    /// A new description.
    pub description: Option<String>,
    /// New metadata, which replace the old ones.
    pub metadata: Option<Map<String, Value>>,
    /// Puts it aside, or takes it back.
    pub archived: Option<bool>,
}

/// What a list of versions is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ModelSort {
    /// Time of registration.
    #[default]
    CreatedAt,
    /// Time of the latest change.
    UpdatedAt,
    /// Name, then version as versions sort.
    Name,
    /// Size of the file; versions without a file come last.
    SizeBytes,
}

/// Which versions a list shows.
#[derive(Debug, Clone, Default)]
pub struct ModelFilter {
    /// Only these; all when empty.
    pub statuses: Vec<ModelStatus>,
    /// Only versions of this name.
    pub name: Option<RegistryName>,
    /// What they are sorted by.
    pub sort_by: ModelSort,
    /// Which end comes first.
    pub order: Order,
    /// Versions on the page.
    pub limit: u32,
    /// Versions before the page.
    pub offset: u64,
}

/// Versions of models. Their files lie in the object store at [`ortolan_domain::model::ModelName::object_path`].
#[async_trait]
pub trait ModelStore: Send + Sync {
    /// Stores a version; [`StoreError::Duplicate`] when the tenant has this name and version already.
    async fn create_model(
        &self,
        model: &Model,
        idempotency: Option<Idempotency>,
    ) -> Result<NewModelOutcome, StoreError>;

    /// The tenant's version, if it has it.
    async fn model(&self, tenant: TenantId, id: ModelId) -> Result<Option<Model>, StoreError>;

    /// Those of these versions that the tenant has, in no order; at most [`MAX_VERSIONS`] may be asked for.
    async fn models_by_ids(&self, tenant: TenantId, ids: &[ModelId]) -> Result<Vec<Model>, StoreError>;

    /// The tenant's version with this name and label.
    async fn model_by_version(
        &self,
        tenant: TenantId,
        name: &RegistryName,
        version: &VersionLabel,
    ) -> Result<Option<Model>, StoreError>;

    /// The highest version of this name; with `ready_only` the highest that may be run.
    async fn latest_model(
        &self,
        tenant: TenantId,
        name: &RegistryName,
        ready_only: bool,
    ) -> Result<Option<Model>, StoreError>;

    /// The highest version that may be run of each of these names, in no order.
    async fn latest_ready_models(&self, tenant: TenantId, names: &[RegistryName]) -> Result<Vec<Model>, StoreError>;

    /// The versions of this name, the highest first; at most [`MAX_VERSIONS`] of them, and how many there are.
    async fn model_versions(&self, tenant: TenantId, name: &RegistryName) -> Result<Page<Model>, StoreError>;

    /// The tenant's versions.
    async fn list_models(&self, tenant: TenantId, filter: &ModelFilter) -> Result<Page<Model>, StoreError>;

    /// Changes what its owner may change; [`StoreError::Duplicate`] when the new name and version are taken. Refused when
    /// its status allows no such move between the archive and the rest; then nothing changes.
    async fn update_model(
        &self,
        tenant: TenantId,
        id: ModelId,
        changes: ModelChanges,
        now: Timestamp,
    ) -> Result<ModelMoved, StoreError>;

    /// Records a file that lies ready to be moved to the version's place; what was known of the file before is forgotten.
    async fn record_model_file(
        &self,
        tenant: TenantId,
        id: ModelId,
        file: ModelFile,
        now: Timestamp,
    ) -> Result<ModelMoved, StoreError>;

    /// Takes a recorded file back, because it did not get to its place: the version is pending again. False when it has
    /// moved on since `revision`.
    async fn forget_model_file(
        &self,
        tenant: TenantId,
        id: ModelId,
        revision: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Begins a validation, which must end before `until`. Refused for a version without a file.
    async fn begin_validation(
        &self,
        tenant: TenantId,
        id: ModelId,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<ModelMoved, StoreError>;

    /// Ends the validation that began with `revision`; `None` when the version has moved on since.
    async fn end_validation(
        &self,
        tenant: TenantId,
        id: ModelId,
        revision: i64,
        verdict: Verdict,
        now: Timestamp,
    ) -> Result<Option<Model>, StoreError>;

    /// Deletes a version with its predictions and jobs, and returns it, so that its file can be deleted.
    async fn delete_model(&self, tenant: TenantId, id: ModelId) -> Result<Option<Model>, StoreError>;
}

/// How a validation ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The file can be served.
    Accepted(Box<ModelFacts>),
    /// The file cannot be served, because of this.
    Rejected(String),
    /// Nothing was found out.
    GivenUp,
}

impl Verdict {
    /// The move that it makes.
    pub const fn as_move(&self) -> ModelMove {
        match self {
            Self::Accepted(_) => ModelMove::Accept,
            Self::Rejected(_) => ModelMove::Reject,
            Self::GivenUp => ModelMove::GiveUp,
        }
    }
}
