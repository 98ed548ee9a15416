//! From an address to the picture that a task looks at.

use ortolan_domain::media::MediaKind;
use ortolan_domain::task::TaskInput;
use ortolan_domain::{FieldError, MediaId};
use ortolan_store::Tenant;

use crate::error::ApiError;
use crate::state::ApiState;

/// Addresses of the tenant's own media objects begin so.
const MEDIA: &str = "media://";

/// The picture at an address.
pub async fn resolve(state: &ApiState, tenant: &Tenant, url: &str) -> Result<TaskInput, ApiError> {
    match url.strip_prefix(MEDIA) {
        Some(id) => of_media(state, tenant, id).await,
        None => Err(ApiError::field("image_url", format!("must be an address that begins with {MEDIA}"))),
    }
}

async fn of_media(state: &ApiState, tenant: &Tenant, id: &str) -> Result<TaskInput, ApiError> {
    let id: MediaId = id
        .parse()
        .map_err(|_| FieldError::new("image_url", format!("must be {MEDIA} and the UUID of a media object")))?;
    let media = state.stores.media.media(tenant.id, id).await?;
    let media = media.ok_or_else(|| ApiError::not_found(&format!("media object: image_url {MEDIA}{id}")))?;
    if media.facts.kind != MediaKind::Image {
        let reason = format!("must be a picture, this is {}", media.facts.kind.as_str());
        return Err(ApiError::field("image_url", reason));
    }
    Ok(TaskInput { media_id: media.id, object_path: media.object_path, sha256: media.sha256 })
}
