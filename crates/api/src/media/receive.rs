//! From a stream of bytes to a media object: store, look at, register; or nothing at all.

use axum::body::Bytes;
use futures::Stream;
use ortolan_blobs::{ObjectPath, Stored};
use ortolan_domain::job::MlError;
use ortolan_domain::media::{Media, object_path};
use ortolan_domain::{ErrorCode, MediaId, TenantSlug};
use ortolan_ml_client::ProbeMedia;
use ortolan_store::{Idempotency, NewMediaOutcome, Tenant};

use crate::error::ApiError;
use crate::state::ApiState;
use crate::upload::{PendingObject, UploadError};

/// Bytes that were stored, and that nobody has looked at yet.
pub struct Incoming {
    /// The id that the media object will have.
    pub id: MediaId,
    /// Size and digest.
    pub stored: Stored,
    /// The name of the file.
    pub file_name: Option<String>,
    /// The object itself, which goes again unless it is registered.
    pub object: PendingObject,
}

/// Stores a stream of at most the allowed size.
pub async fn receive<S>(
    state: &ApiState,
    tenant: &Tenant,
    file_name: Option<String>,
    bytes: S,
) -> Result<Incoming, ApiError>
where
    S: Stream<Item = Result<Bytes, UploadError>> + Send,
{
    let _place = state.limits.upload()?;
    let id = MediaId::generate();
    let path = place(&tenant.name, id)?;
    let object = PendingObject::new(&state.blobs, path.clone());
    let stored = match state.blobs.put_stream(&path, bytes, state.settings().max_media_bytes).await {
        Ok(stored) => stored,
        Err(error) => {
            object.discard().await;
            return Err(error.into());
        }
    };
    Ok(Incoming { id, stored, file_name, object })
}

/// Asks the ML service what the bytes are and makes them a media object of the tenant; on any refusal they go again.
/// The same promise kept before gives the object of that time.
pub async fn register(
    state: &ApiState,
    tenant: &Tenant,
    incoming: Incoming,
    idempotency: Option<Idempotency>,
) -> Result<Media, ApiError> {
    let Incoming { id, stored, file_name, object } = incoming;
    match describe_and_create(state, tenant, (id, stored, file_name), idempotency).await {
        Ok((media, NewMediaOutcome::Created)) => {
            object.keep();
            Ok(media)
        }
        Ok((_, NewMediaOutcome::Replayed(media))) => {
            object.discard().await;
            Ok(*media)
        }
        Ok((_, NewMediaOutcome::Conflict)) => {
            object.discard().await;
            Err(ApiError::new(ErrorCode::IdempotencyConflict, "the Idempotency-Key came with other bytes before"))
        }
        Err(refusal) => {
            object.discard().await;
            Err(refusal)
        }
    }
}

async fn describe_and_create(
    state: &ApiState,
    tenant: &Tenant,
    (id, stored, file_name): (MediaId, Stored, Option<String>),
    idempotency: Option<Idempotency>,
) -> Result<(Media, NewMediaOutcome), ApiError> {
    let object_path = object_path(&tenant.name, id);
    let question = ProbeMedia { tenant: tenant.name.clone(), object_path: object_path.clone() };
    let facts = state.inference.probe_media(question).await.map_err(refused_by_decoder)?;
    let Stored { size_bytes, sha256 } = stored;
    let created_at = state.now();
    let media = Media { id, tenant_id: tenant.id, facts, file_name, size_bytes, sha256, object_path, created_at };
    let outcome = state.stores.media.create_media(&media, idempotency).await?;
    Ok((media, outcome))
}

/// A picture that kills its decoder is the picture's fault.
pub fn refused_by_decoder(error: MlError) -> ApiError {
    match error.code {
        ErrorCode::Crashed | ErrorCode::RunFailed => {
            ApiError::new(ErrorCode::CorruptMedia, "the media cannot be decoded")
        }
        _ => error.into(),
    }
}

/// Deletes a media object, its row first; bytes that cannot be deleted now are an orphan that the reconciler finds.
/// False when the tenant has no such object.
pub async fn delete_media(state: &ApiState, tenant: &Tenant, id: MediaId) -> Result<bool, ApiError> {
    let Some(media) = state.stores.media.delete_media(tenant.id, id).await? else { return Ok(false) };
    PendingObject::new(&state.blobs, stored_path(&tenant.name, &media)?).discard().await;
    Ok(true)
}

/// Where a media object's bytes lie.
pub fn stored_path(tenant: &TenantSlug, media: &Media) -> Result<ObjectPath, ApiError> {
    ObjectPath::of_tenant(tenant, &media.object_path).map_err(|error| ApiError::internal(&error))
}

fn place(tenant: &TenantSlug, id: MediaId) -> Result<ObjectPath, ApiError> {
    ObjectPath::of_tenant(tenant, &object_path(tenant, id)).map_err(|error| ApiError::internal(&error))
}
