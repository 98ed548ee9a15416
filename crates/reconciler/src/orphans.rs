//! Objects that belong to nobody: the bytes of an upload whose row was never written, or whose row is gone.
//!
//! Only three folders of a tenant are looked into, those where every object has a row or is about to get one; slots, where the
//! object itself is the truth, and everything else in the store are left alone. A turn looks at some tenants and at a bounded
//! number of objects, and the next turn goes on from there.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ortolan_blobs::{BlobError, Blobs, ObjectFacts, ObjectPath, ObjectPathError};
use ortolan_domain::{Clock, MediaId, ModelId, TenantSlug, Timestamp, staging};
use ortolan_service::telemetry::metrics;
use ortolan_store::{MediaStore, ModelStore, StoreError, Stores, Tenant, TenantStore};

use crate::passes::Reconciler;
use crate::report::ReconcileReport;
use crate::steps::failed;

/// Tenants of one turn.
const TENANTS: u32 = 100;
/// Objects that are looked at in one turn.
const OBJECTS: usize = 20_000;
/// Objects that are listed, and whose rows are asked for, at once.
const BATCH: usize = 500;

/// A folder of a tenant in which every object has a row sooner or later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Folder {
    /// Uploaded pictures, sounds and videos.
    Media,
    /// Files that are being checked, and pictures of runs that have not ended; no row ever names them.
    Staging,
    /// Files of registered models.
    Registry,
}

/// Why a turn ended early.
#[derive(Debug, thiserror::Error)]
pub enum OrphanError {
    /// The database did not answer.
    #[error("rows could not be asked for")]
    Rows(#[from] StoreError),
    /// The object store did not answer.
    #[error("objects could not be looked at")]
    Objects(#[from] BlobError),
    /// A tenant's folder is no path of the store.
    #[error(transparent)]
    Path(#[from] ObjectPathError),
}

/// Where the last turn stopped.
#[derive(Debug, Clone, Default)]
struct Position {
    tenants_before: u64,
    tenant: usize,
    folder: usize,
    after: Option<ObjectPath>,
}

/// Looks for objects without an owner. Clones share the position.
#[derive(Clone)]
pub struct OrphanSweep {
    blobs: Blobs,
    tenants: Arc<dyn TenantStore>,
    media: Arc<dyn MediaStore>,
    models: Arc<dyn ModelStore>,
    grace: Duration,
    position: Arc<Mutex<Position>>,
}

impl OrphanSweep {
    /// A sweep that spares objects younger than `grace`: their rows may still be on their way.
    pub fn new(blobs: Blobs, stores: &Stores, grace: Duration) -> Self {
        let (tenants, media, models) = (stores.tenants.clone(), stores.media.clone(), stores.models.clone());
        Self { blobs, tenants, media, models, grace, position: Arc::default() }
    }

    /// One turn; tells how many objects were deleted, also when it ended early.
    pub async fn turn(&self, clock: &dyn Clock) -> (u64, Result<(), OrphanError>) {
        let mut position = self.position.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut removed = 0;
        let outcome = self.look_from(&mut position, clock.now().minus(self.grace), &mut removed).await;
        *self.position.lock().unwrap_or_else(PoisonError::into_inner) = position;
        (removed, outcome)
    }

    async fn look_from(
        &self,
        position: &mut Position,
        before: Timestamp,
        removed: &mut u64,
    ) -> Result<(), OrphanError> {
        let tenants = self.tenants.tenants(TENANTS, position.tenants_before).await?.items;
        let mut looked_at = 0;
        while let Some(tenant) = tenants.get(position.tenant) {
            while let Some(folder) = Folder::ALL.get(position.folder) {
                if looked_at >= OBJECTS {
                    return Ok(());
                }
                let objects =
                    self.blobs.list_after(&folder.path(&tenant.name)?, position.after.as_ref(), BATCH).await?;
                looked_at += objects.len();
                position.after = objects.keys().next_back().cloned().filter(|_| objects.len() == BATCH);
                self.delete_orphans(tenant, *folder, objects, before, removed).await?;
                position.folder += usize::from(position.after.is_none());
            }
            (position.folder, position.tenant) = (0, position.tenant + 1);
        }
        let is_last_page = tenants.len() < TENANTS as usize;
        let tenants_before = if is_last_page { 0 } else { position.tenants_before + u64::from(TENANTS) };
        *position = Position { tenants_before, ..Position::default() };
        Ok(())
    }

    /// The rows are asked for after the objects were listed, so that a row that came in between is seen.
    async fn delete_orphans(
        &self,
        tenant: &Tenant,
        folder: Folder,
        objects: BTreeMap<ObjectPath, ObjectFacts>,
        before: Timestamp,
        removed: &mut u64,
    ) -> Result<(), OrphanError> {
        let is_old = |(path, facts): &(ObjectPath, ObjectFacts)| facts.modified_at < before && folder.names(path);
        let old = objects.into_iter().filter(is_old);
        let old: Vec<ObjectPath> = old.map(|(path, _)| path).collect();
        if old.is_empty() {
            return Ok(());
        }
        let orphans = match folder {
            Folder::Media => self.without_media(old).await?,
            Folder::Staging => old,
            Folder::Registry => self.without_model(tenant, old).await?,
        };
        for path in &orphans {
            tracing::info!(tenant_id = %tenant.name, %path, "an object that belongs to nothing is deleted");
        }
        let (count, outcome) = self.blobs.delete_all(&orphans).await;
        *removed += count;
        Ok(outcome?)
    }

    async fn without_media(&self, mut paths: Vec<ObjectPath>) -> Result<Vec<ObjectPath>, StoreError> {
        let names: Vec<String> = paths.iter().map(ToString::to_string).collect();
        let known: HashSet<String> = self.media.known_object_paths(&names).await?.into_iter().collect();
        paths.retain(|path| !known.contains(path.as_str()));
        Ok(paths)
    }

    async fn without_model(&self, tenant: &Tenant, paths: Vec<ObjectPath>) -> Result<Vec<ObjectPath>, StoreError> {
        let version = |path: ObjectPath| Some((version_of(&path)?, path));
        let versions: Vec<(ModelId, ObjectPath)> = paths.into_iter().filter_map(version).collect();
        let ids: Vec<ModelId> = versions.iter().map(|(id, _)| *id).collect();
        let known: HashSet<ModelId> =
            self.models.models_by_ids(tenant.id, &ids).await?.into_iter().map(|model| model.id).collect();
        Ok(versions.into_iter().filter(|(id, _)| !known.contains(id)).map(|(_, path)| path).collect())
    }
}

impl Folder {
    const ALL: [Self; 3] = [Self::Media, Self::Staging, Self::Registry];

    fn path(self, tenant: &TenantSlug) -> Result<ObjectPath, ObjectPathError> {
        let folder = match self {
            Self::Media => format!("{tenant}/media"),
            Self::Staging => format!("{tenant}/staging"),
            Self::Registry => format!("models/{tenant}/registry"),
        };
        ObjectPath::of_tenant(tenant, &folder)
    }

    /// Whether an object bears a name that we give in this folder; any other was put there by somebody else and stays.
    fn names(self, path: &ObjectPath) -> bool {
        match self {
            Self::Media => last_segment(path).parse::<MediaId>().is_ok(),
            Self::Staging => version_of(path).is_some() || staging::is_name(last_segment(path)),
            Self::Registry => version_of(path).is_some(),
        }
    }
}

fn last_segment(path: &ObjectPath) -> &str {
    path.as_str().rsplit('/').next().unwrap_or_default()
}

/// The id in the name of a model's file; a staged one's is of no version.
fn version_of(path: &ObjectPath) -> Option<ModelId> {
    last_segment(path).strip_suffix(".onnx")?.parse().ok()
}

impl Reconciler {
    /// Deletes objects that no row names.
    pub(crate) async fn sweep_orphans(&self, report: &mut ReconcileReport) {
        let Some(orphans) = &self.0.orphans else { return };
        let (removed, outcome) = orphans.turn(&*self.0.clock).await;
        metrics::reconcile_repaired("orphan_blobs_removed", removed);
        report.orphan_blobs_removed += removed;
        if let Err(error) = outcome {
            failed(report, "orphans", &error);
        }
    }
}
