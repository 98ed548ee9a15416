//! Trying a store out: whether it can be written, read and deleted from, and what to do when it cannot.

use bytes::Bytes;
use object_store::Error;

use crate::blobs::Blobs;
use crate::{BlobError, ObjectPath};

/// No tenant's name begins with a dot.
const FOLDER: &str = ".ortolan";
const CONTENT: &[u8] = b"ortolan looks whether it can keep objects here";

/// A step of the trial that failed.
#[derive(Debug, thiserror::Error)]
#[error("an object could not be {step}")]
pub struct ProbeError {
    /// What was tried: "written", "read" or "deleted".
    step: &'static str,
    /// Why it did not work.
    #[source]
    source: BlobError,
}

impl Blobs {
    /// Writes an object of this `name` that was not there before, reads it and deletes it.
    pub async fn probe(&self, name: &str) -> Result<(), ProbeError> {
        let failed = |step| move |source| ProbeError { step, source };
        let path = ObjectPath::parse(&format!("{FOLDER}/{name}"))
            .map_err(|error| ProbeError { step: "written", source: BlobError::Path(error) })?;
        self.put_new(&path, Bytes::from_static(CONTENT)).await.map_err(failed("written"))?;
        let found = self.get(&path).await;
        let deleted = self.delete(&path).await;
        match found.map_err(failed("read"))? {
            found if found == CONTENT => deleted.map(drop).map_err(failed("deleted")),
            _ => Err(ProbeError { step: "read", source: BlobError::Changed(path) }),
        }
    }
}

impl ProbeError {
    /// What an operator can do about it.
    pub fn advice(&self) -> &'static str {
        match &self.source {
            BlobError::Store { source: Error::NotFound { .. }, .. } | BlobError::NotFound(_) => {
                "make the bucket, or correct storage.bucket"
            }
            BlobError::Store { source: Error::Unauthenticated { .. }, .. } => {
                "the store does not know the key: check the credentials under [storage]"
            }
            BlobError::Store { source: Error::PermissionDenied { .. }, .. } => {
                "allow the key to list the bucket and to get, put and delete its objects; is the region right?"
            }
            BlobError::Store { .. } => {
                "check the address and region under [storage], and that this machine reaches the store"
            }
            _ => "check [storage], and that the folder is writable for this user",
        }
    }
}
