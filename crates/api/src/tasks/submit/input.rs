//! What a task needs besides its configuration: the media object to look at, and the model to look with.

use ortolan_domain::config::TaskConfig;
use ortolan_domain::media::{Media, MediaKind};
use ortolan_domain::slot::missing_model;
use ortolan_domain::task::TaskInput;
use ortolan_domain::{ErrorCode, FieldError, TaskType};
use ortolan_store::Tenant;

use super::body::TaskWish;
use crate::error::ApiError;
use crate::slots::model_path;
use crate::state::ApiState;

/// Refuses a task of which one slot is empty; the object at the conventional path decides, no record of it. Where there was one a moment ago,
/// the object store is not asked again.
pub async fn require_models(
    state: &ApiState,
    tenant: &Tenant,
    kind: TaskType,
    config: &TaskConfig,
) -> Result<(), ApiError> {
    for slot in config.slots(kind) {
        if state.filled_slots.recall(&(tenant.id, slot), state.now()).is_some() {
            continue;
        }
        if state.blobs.facts(&model_path(&tenant.name, slot)?).await?.is_none() {
            return Err(ApiError::new(ErrorCode::ModelNotFound, missing_model(&tenant.name, slot)));
        }
        state.filled_slots.keep((tenant.id, slot), &tenant.name, (), state.now());
    }
    Ok(())
}

/// The media object that the wish names, if it names one.
pub async fn of_stored(state: &ApiState, tenant: &Tenant, wish: &TaskWish) -> Result<Option<TaskInput>, ApiError> {
    let Some(id) = wish.media_id else { return Ok(None) };
    let media = state.stores.media.media(tenant.id, id).await?;
    let media = media.ok_or_else(|| ApiError::not_found(&format!("media object: media_id {id}")))?;
    of_media(wish, &media).map(Some)
}

/// A media object as the task will see it.
pub fn of_media(wish: &TaskWish, media: &Media) -> Result<TaskInput, ApiError> {
    if wish.task_type.needs_media() && media.facts.kind != MediaKind::Image {
        let reason = format!("a task of type {} needs an image, this is {}", wish.task_type, media.facts.kind.as_str());
        return Err(FieldError::new("media_id", reason).into());
    }
    Ok(TaskInput { media_id: Some(media.id), object_path: media.object_path.clone(), sha256: media.sha256.clone() })
}
