//! Everything that a tenant has in the object store.

use ortolan_blobs::{Blobs, ObjectPath};
use ortolan_domain::TenantSlug;

use crate::error::ApiError;

/// Objects that are looked at in one turn.
const BATCH: usize = 500;

/// Deletes media, staged files and models of a tenant.
pub async fn delete_objects(blobs: &Blobs, tenant: &TenantSlug) -> Result<(), ApiError> {
    for folder in [tenant.to_string(), format!("models/{tenant}")] {
        let folder = ObjectPath::parse(&folder).map_err(|error| ApiError::internal(&error))?;
        loop {
            let objects = blobs.list(&folder, BATCH).await?;
            let paths: Vec<ObjectPath> = objects.into_iter().map(|(path, _)| path).collect();
            blobs.delete_all(&paths).await.1?;
            if paths.len() < BATCH {
                break;
            }
        }
    }
    Ok(())
}
