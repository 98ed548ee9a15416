//! The port of media objects.

use async_trait::async_trait;
use ortolan_domain::media::Media;
use ortolan_domain::{MediaId, TenantId};

use crate::{Idempotency, Page, StoreError};

/// What became of a new media object.
#[derive(Debug, Clone, PartialEq)]
pub enum NewMediaOutcome {
    /// Stored.
    Created,
    /// The same key came with the same request before: that object. The caller deletes the bytes it has just stored.
    Replayed(Box<Media>),
    /// The same key came with another request before.
    Conflict,
}

/// Media objects' rows; their bytes lie in the object store.
#[async_trait]
pub trait MediaStore: Send + Sync {
    /// Stores a row.
    async fn create_media(
        &self,
        media: &Media,
        idempotency: Option<Idempotency>,
    ) -> Result<NewMediaOutcome, StoreError>;

    /// The tenant's media object, if it has it.
    async fn media(&self, tenant: TenantId, id: MediaId) -> Result<Option<Media>, StoreError>;

    /// The tenant's media objects, the newest first.
    async fn list_media(&self, tenant: TenantId, limit: u32, offset: u64) -> Result<Page<Media>, StoreError>;

    /// Deletes a row and returns it, so that its bytes can be deleted; `None` when the tenant has no such object.
    async fn delete_media(&self, tenant: TenantId, id: MediaId) -> Result<Option<Media>, StoreError>;

    /// Which of these object paths have a row: the others are orphans.
    async fn known_object_paths(&self, paths: &[String]) -> Result<Vec<String>, StoreError>;
}
