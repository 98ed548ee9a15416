//! What can go wrong between us and an object store.

use crate::path::ObjectPath;

/// Why the object store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no such object.
    #[error("there is no object {0}")]
    NotFound(ObjectPath),
    /// More bytes than are allowed.
    #[error("the object is larger than {max_bytes} bytes")]
    TooLarge {
        /// How many are allowed.
        max_bytes: u64,
    },
    /// Whoever sent the bytes stopped before the end.
    #[error("the bytes of the object stopped coming")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The folder of a local store cannot be used.
    #[error("the folder {folder:?} cannot be used")]
    Folder {
        /// Which.
        folder: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The store did not answer, or refused.
    #[error("the object store could not {what} {path}")]
    Store {
        /// What it was asked to do.
        what: &'static str,
        /// With what.
        path: String,
        /// What it said.
        #[source]
        source: object_store::Error,
    },
}

impl BlobError {
    /// Turns what the store said about `path` into an error of ours.
    pub(crate) fn store(what: &'static str, path: &ObjectPath) -> impl FnOnce(object_store::Error) -> Self {
        let path = path.clone();
        move |source| match source {
            object_store::Error::NotFound { .. } => Self::NotFound(path),
            source => Self::Store { what, path: path.to_string(), source },
        }
    }
}
