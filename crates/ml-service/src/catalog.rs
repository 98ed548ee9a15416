//! Which file is behind each model: fetched once from its path, kept as a private local copy for the life of
//! the process or until it is forgotten.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use ortolan_blobs::{BlobError, Blobs, ObjectPath};
use ortolan_domain::model::ModelRef;
use ortolan_domain::{TenantSlug, hash};
use ortolan_runner::{ModelSource, SourceError};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// Local copies of models.
pub(crate) struct ModelCatalog {
    blobs: Blobs,
    folder: TempDir,
    max_bytes: u64,
    entries: Mutex<HashMap<ModelRef, Arc<OnceCell<Arc<LocalModel>>>>>,
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
}

impl ModelCatalog {
    /// An empty catalog with a private folder of its own.
    pub(crate) fn new(blobs: Blobs, max_bytes: u64) -> std::io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("mlworker_models_").tempdir()?;
        Ok(Self { blobs, folder, max_bytes, entries: Mutex::default() })
    }

    /// The model; fetched by the first of any number of callers, who never wait for another model.
    pub(crate) async fn resolve(&self, model: &ModelRef) -> Result<Arc<LocalModel>, CatalogError> {
        let cell = Arc::clone(self.entries().entry(model.clone()).or_default());
        match cell.get_or_try_init(|| self.fetch(model)).await {
            Ok(copy) => Ok(Arc::clone(copy)),
            Err(error) => {
                // Nothing is remembered of a failure: the next call looks again.
                self.entries().retain(|key, kept| key != model || kept.initialized() || !Arc::ptr_eq(kept, &cell));
                Err(error)
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
        let bytes = self.blobs.get_limited(&path, self.max_bytes).await.map_err(|error| match error {
            BlobError::NotFound(_) => CatalogError::Missing,
            other => CatalogError::Store(other),
        })?;
        let target = self.folder.path().join(format!("{}_{}.onnx", model.tenant, model.name));
        let written = tokio::task::spawn_blocking(move || LocalModel::write(&bytes, &target));
        let copy = written.await.map_err(|error| CatalogError::Local(std::io::Error::other(error)))?;
        let copy = copy.map_err(CatalogError::Local)?;
        tracing::info!(tenant = %model.tenant, model_type = %model.name, sha256 = copy.sha256, size_bytes = copy.size_bytes, "model fetched");
        Ok(Arc::new(copy))
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<ModelRef, Arc<OnceCell<Arc<LocalModel>>>>> {
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
