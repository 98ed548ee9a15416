//! An object that is stored but not yet somebody's.

use ortolan_blobs::{Blobs, ObjectPath};

/// An object that goes again unless it is kept: also when the client leaves and the request is dropped in the middle.
pub struct PendingObject {
    blobs: Blobs,
    path: Option<ObjectPath>,
}

impl PendingObject {
    /// Takes care of the object at `path`.
    pub fn new(blobs: &Blobs, path: ObjectPath) -> Self {
        Self { blobs: blobs.clone(), path: Some(path) }
    }

    /// The object stays.
    pub fn keep(mut self) {
        self.path = None;
    }

    /// The object goes now.
    pub async fn discard(mut self) {
        if let Some(path) = self.path.take() {
            delete(self.blobs.clone(), path).await;
        }
    }
}

impl Drop for PendingObject {
    fn drop(&mut self) {
        let (Some(path), Ok(runtime)) = (self.path.take(), tokio::runtime::Handle::try_current()) else { return };
        runtime.spawn(delete(self.blobs.clone(), path));
    }
}

async fn delete(blobs: Blobs, path: ObjectPath) {
    if let Err(error) = blobs.delete(&path).await {
        tracing::warn!(%path, error = &error as &dyn std::error::Error, "an object without an owner stays for the reconciler");
    }
}
