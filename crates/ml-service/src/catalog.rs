//! Which file is behind each slot: fetched once from the conventional path, kept as a private local copy for the life of
//! the process or until it is forgotten.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use ortolan_blobs::{BlobError, Blobs, ObjectPath};
use ortolan_domain::job::SlotRef;
use ortolan_domain::{TenantSlug, hash};
use ortolan_runner::{ModelSource, SourceError};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// Local copies of the slots' models.
pub(crate) struct ModelCatalog {
    blobs: Blobs,
    folder: TempDir,
    max_bytes: u64,
    entries: Mutex<HashMap<SlotRef, Arc<OnceCell<Arc<LocalModel>>>>>,
}

/// Why a slot's model cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogError {
    /// The slot is empty.
    #[error("the slot is empty")]
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
}

impl ModelCatalog {
    /// An empty catalog with a private folder of its own.
    pub(crate) fn new(blobs: Blobs, max_bytes: u64) -> std::io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("mlworker_models_").tempdir()?;
        Ok(Self { blobs, folder, max_bytes, entries: Mutex::default() })
    }

    /// The slot's model; fetched by the first of any number of callers, who never wait for another slot's.
    pub(crate) async fn resolve(&self, slot: &SlotRef) -> Result<Arc<LocalModel>, CatalogError> {
        let cell = Arc::clone(self.entries().entry(slot.clone()).or_default());
        match cell.get_or_try_init(|| self.fetch(slot)).await {
            Ok(model) => Ok(Arc::clone(model)),
            Err(error) => {
                // Nothing is remembered of a failure: the next call looks again.
                self.entries().retain(|key, kept| key != slot || kept.initialized() || !Arc::ptr_eq(kept, &cell));
                Err(error)
            }
        }
    }

    /// Forgets a slot's model; the next call fetches what is there then.
    pub(crate) fn forget(&self, slot: &SlotRef) {
        self.entries().remove(slot);
    }

    /// Forgets the models of one tenant or of all.
    pub(crate) fn forget_all(&self, tenant: Option<&TenantSlug>) {
        self.entries().retain(|slot, _| tenant.is_some_and(|tenant| *tenant != slot.tenant));
    }

    async fn fetch(&self, slot: &SlotRef) -> Result<Arc<LocalModel>, CatalogError> {
        let path = slot.slot.object_path(&slot.tenant);
        let path = ObjectPath::parse(&path).map_err(|_| CatalogError::Missing)?;
        let bytes = self.blobs.get_limited(&path, self.max_bytes).await.map_err(|error| match error {
            BlobError::NotFound(_) => CatalogError::Missing,
            other => CatalogError::Store(other),
        })?;
        let target = self.folder.path().join(format!("{}_{}.onnx", slot.tenant, slot.slot));
        let written = tokio::task::spawn_blocking(move || LocalModel::write(&bytes, &target));
        let model = written.await.map_err(|error| CatalogError::Local(std::io::Error::other(error)))?;
        let model = model.map_err(CatalogError::Local)?;
        tracing::info!(tenant = %slot.tenant, model_type = %slot.slot, sha256 = model.sha256, size_bytes = model.size_bytes, "model fetched");
        Ok(Arc::new(model))
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<SlotRef, Arc<OnceCell<Arc<LocalModel>>>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LocalModel {
    fn write(bytes: &[u8], target: &std::path::Path) -> std::io::Result<Self> {
        let folder = target.parent().unwrap_or(target);
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        std::io::Write::write_all(&mut file, bytes)?;
        let file = file.persist(target).map_err(|error| error.error)?;
        Ok(Self { sha256: hash::sha256_hex(bytes), size_bytes: bytes.len() as u64, file: Arc::new(file) })
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
