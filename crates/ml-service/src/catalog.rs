//! Which file is behind each model: fetched once from its path, kept as a private local copy for the life of
//! the process or until it is forgotten. On request a copy is compared with its object from time to time.

mod folder;

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ortolan_blobs::{BlobError, Blobs, ObjectPath};
use ortolan_domain::model::ModelRef;
use ortolan_domain::{Clock, TenantSlug, Timestamp, hash};
use ortolan_runner::{ModelSource, SourceError};
use tokio::sync::OnceCell;

use self::folder::PrivateFolder;

/// Local copies of models.
pub(crate) struct ModelCatalog {
    blobs: Blobs,
    folder: PrivateFolder,
    clock: Arc<dyn Clock>,
    limits: CatalogLimits,
    entries: Mutex<HashMap<ModelRef, Arc<OnceCell<Arc<LocalModel>>>>>,
}

/// What an operator has set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CatalogLimits {
    /// The largest file.
    pub(crate) max_bytes: u64,
    /// How long a copy is taken to be what the object is; for good when `None`.
    pub(crate) revalidate: Option<Duration>,
}

/// Why a model cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogError {
    /// There is no file.
    #[error("there is no file")]
    Missing,
    /// The object store failed.
    #[error("the object store did not give the model")]
    Store(#[source] BlobError),
    /// The local copy could not be written.
    #[error("the local copy could not be written")]
    Local(#[source] std::io::Error),
}

/// One model's local copy. It stays readable through its open file after a newer one has taken its name.
pub(crate) struct LocalModel {
    sha256: String,
    size_bytes: u64,
    file: Arc<File>,
    etag: Option<String>,
    /// When the object was last looked at, in microseconds.
    looked_at: AtomicI64,
}

impl ModelCatalog {
    /// An empty catalog with a private folder of its own in `parent`.
    pub(crate) fn new(
        blobs: Blobs,
        clock: Arc<dyn Clock>,
        limits: CatalogLimits,
        parent: &Path,
    ) -> std::io::Result<Self> {
        let folder = PrivateFolder::make_in(parent)?;
        Ok(Self { blobs, folder, clock, limits, entries: Mutex::default() })
    }

    /// The model; fetched by the first of any number of callers, who never wait for another model.
    pub(crate) async fn resolve(&self, model: &ModelRef) -> Result<Arc<LocalModel>, CatalogError> {
        let copy = self.kept_or_fetched(model).await?;
        if self.is_still_right(model, &copy).await {
            return Ok(copy);
        }
        self.forget_copy(model, &copy);
        self.kept_or_fetched(model).await
    }

    async fn kept_or_fetched(&self, model: &ModelRef) -> Result<Arc<LocalModel>, CatalogError> {
        let kept = self.entries().get(model).cloned();
        let cell = kept.unwrap_or_else(|| Arc::clone(self.entries().entry(model.clone()).or_default()));
        match cell.get_or_try_init(|| self.fetch(model)).await {
            Ok(copy) => Ok(Arc::clone(copy)),
            Err(error) => {
                // Nothing is remembered of a failure: the next call looks again.
                self.entries().retain(|key, kept| key != model || kept.initialized() || !Arc::ptr_eq(kept, &cell));
                Err(error)
            }
        }
    }

    /// False when the object is another one now, or none. Only one caller looks, once in a while; the others go on with the
    /// copy, and so do all while the store does not answer.
    async fn is_still_right(&self, model: &ModelRef, copy: &LocalModel) -> bool {
        let Some(period) = self.limits.revalidate else { return true };
        if !copy.is_looked_at_by_us(self.clock.now(), period) {
            return true;
        }
        let Ok(path) = ObjectPath::parse(&model.object_path()) else { return false };
        match self.blobs.facts(&path).await {
            Ok(facts) => facts.is_some_and(|facts| facts.etag == copy.etag),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(tenant_id = %model.tenant, model_type = %model.name, error, "a model could not be compared with its object");
                true
            }
        }
    }

    /// Forgets a model; the next call fetches what is there then.
    pub(crate) fn forget(&self, model: &ModelRef) {
        self.entries().remove(model);
    }

    /// Forgets a model unless somebody fetched another copy of it meanwhile.
    pub(crate) fn forget_copy(&self, model: &ModelRef, copy: &Arc<LocalModel>) {
        let is_that = |kept: &Arc<OnceCell<Arc<LocalModel>>>| kept.get().is_some_and(|kept| Arc::ptr_eq(kept, copy));
        self.entries().retain(|key, kept| key != model || !is_that(kept));
    }

    /// Forgets the models of one tenant or of all.
    pub(crate) fn forget_all(&self, tenant: Option<&TenantSlug>) {
        self.entries().retain(|model, _| tenant.is_some_and(|tenant| *tenant != model.tenant));
    }

    async fn fetch(&self, model: &ModelRef) -> Result<Arc<LocalModel>, CatalogError> {
        let path = ObjectPath::parse(&model.object_path()).map_err(|_| CatalogError::Missing)?;
        let looked_at = self.clock.now();
        let found = self.blobs.get_with_facts(&path, self.limits.max_bytes).await;
        let (facts, bytes) = found.map_err(|error| match error {
            BlobError::NotFound(_) => CatalogError::Missing,
            other => CatalogError::Store(other),
        })?;
        let target = self.folder.path().join(format!("{}_{}.onnx", model.tenant, model.name));
        let written = tokio::task::spawn_blocking(move || LocalModel::write(&bytes, &target));
        let copy = written.await.map_err(|error| CatalogError::Local(std::io::Error::other(error)))?;
        let (sha256, file) = copy.map_err(CatalogError::Local)?;
        let looked_at = AtomicI64::new(looked_at.as_micros());
        let copy = LocalModel { sha256, size_bytes: facts.size_bytes, file, etag: facts.etag, looked_at };
        tracing::info!(tenant_id = %model.tenant, model_type = %model.name, sha256 = copy.sha256, size_bytes = copy.size_bytes, "model fetched");
        Ok(Arc::new(copy))
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<ModelRef, Arc<OnceCell<Arc<LocalModel>>>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LocalModel {
    /// Takes the next look at the object upon itself, when one is due.
    fn is_looked_at_by_us(&self, now: Timestamp, period: Duration) -> bool {
        let last = self.looked_at.load(Ordering::Relaxed);
        now.since(Timestamp::from_micros(last)) >= period
            && self.looked_at.compare_exchange(last, now.as_micros(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn write(bytes: &[u8], target: &Path) -> std::io::Result<(String, Arc<File>)> {
        let folder = target.parent().unwrap_or(target);
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        std::io::Write::write_all(&mut file, bytes)?;
        let file = file.persist(target).map_err(|error| error.error)?;
        Ok((hash::sha256_hex(bytes), Arc::new(file)))
    }

    fn read(file: &File, size_bytes: u64) -> std::io::Result<Bytes> {
        let mut bytes = vec![0; usize::try_from(size_bytes).map_err(std::io::Error::other)?];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes.into())
    }
}

#[async_trait]
impl ModelSource for LocalModel {
    fn sha256(&self) -> &str {
        &self.sha256
    }

    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    async fn fetch(&self) -> Result<Bytes, SourceError> {
        let (file, size_bytes) = (Arc::clone(&self.file), self.size_bytes);
        Ok(tokio::task::spawn_blocking(move || Self::read(&file, size_bytes)).await??)
    }
}

#[cfg(test)]
mod tests;
