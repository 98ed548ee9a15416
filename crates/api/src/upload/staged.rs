//! Model files on their way: stored where nobody looks for a model, until they were checked and recorded.

use axum::body::Bytes;
use futures::Stream;
use ortolan_blobs::{ObjectPath, Stored};
use ortolan_domain::TenantSlug;
use uuid::Uuid;

use super::{PendingObject, UploadError};
use crate::error::ApiError;
use crate::state::ApiState;

/// A model file that nobody serves yet; it goes again unless it is moved to its place.
pub struct StagedModel {
    /// Where it lies.
    pub path: ObjectPath,
    /// Size and digest.
    pub stored: Stored,
    object: PendingObject,
}

impl StagedModel {
    /// Stores a client's stream of at most the allowed size.
    pub async fn receive<S>(state: &ApiState, tenant: &TenantSlug, bytes: S) -> Result<Self, ApiError>
    where
        S: Stream<Item = Result<Bytes, UploadError>> + Send,
    {
        let _place = state.limits.upload()?;
        let path = place(tenant)?;
        let stored = state.blobs.put_stream(&path, bytes, state.settings().max_model_bytes).await?;
        Ok(Self { object: PendingObject::new(&state.blobs, path.clone()), path, stored })
    }

    /// Copies an object of the tenant's.
    pub async fn copy_of(state: &ApiState, tenant: &TenantSlug, from: &ObjectPath) -> Result<Self, ApiError> {
        let path = place(tenant)?;
        let (_, bytes) = state.blobs.stream(from, None).await?;
        let stored = state.blobs.put_stream(&path, bytes, state.settings().max_model_bytes).await?;
        Ok(Self { object: PendingObject::new(&state.blobs, path.clone()), path, stored })
    }

    /// Moves the file to its place, over whatever is there. On an error it goes.
    pub async fn move_to(self, state: &ApiState, place: &ObjectPath) -> Result<(), ApiError> {
        match state.blobs.rename(&self.path, place).await {
            Ok(()) => {
                self.object.keep();
                Ok(())
            }
            Err(error) => {
                self.object.discard().await;
                Err(error.into())
            }
        }
    }

    /// The file goes now.
    pub async fn discard(self) {
        self.object.discard().await;
    }
}

fn place(tenant: &TenantSlug) -> Result<ObjectPath, ApiError> {
    let path = format!("{tenant}/staging/{}.onnx", Uuid::now_v7());
    ObjectPath::of_tenant(tenant, &path).map_err(|error| ApiError::internal(&error))
}
