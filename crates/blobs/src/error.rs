//! What can go wrong between us and an object store.

use crate::path::{ObjectPath, ObjectPathError};

/// Why the object store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no such object.
    #[error("there is no object {0}")]
    NotFound(ObjectPath),
    /// There is an object already, and it was not to be replaced.
    #[error("there is an object {0} already")]
    Exists(ObjectPath),
    /// What was read is not what was written.
    #[error("the object {0} is not what was stored")]
    Changed(ObjectPath),
    /// The path cannot be used.
    #[error(transparent)]
    Path(#[from] ObjectPathError),
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
    /// What is said about the bucket does not make a client: a key file that cannot be read, an address that is none.
    #[error("the bucket's settings cannot be used")]
    Bucket(#[source] object_store::Error),
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
    /// Turns what the store said about reading `path` into an error of ours.
    pub(crate) fn store(what: &'static str, path: &ObjectPath) -> impl FnOnce(object_store::Error) -> Self {
        let path = path.clone();
        move |source| match source {
            object_store::Error::NotFound { .. } => Self::NotFound(path),
            source => Self::Store { what, path: path.to_string(), source },
        }
    }

    /// The same for writing, where nothing can be missing but the bucket.
    pub(crate) fn put(path: &ObjectPath) -> impl FnOnce(object_store::Error) -> Self {
        let path = path.clone();
        move |source| match source {
            object_store::Error::AlreadyExists { .. } => Self::Exists(path),
            source => Self::Store { what: "put", path: path.to_string(), source },
        }
    }
}
