//! `GET /media/{id}`.

use axum::Json;
use axum::extract::State;
use ortolan_domain::MediaId;

use super::view::MediaView;
use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::extract::IdPath;
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(GetRefusals: NotFound);

/// Describes a media object
///
/// Needs scope `read`.
#[utoipa::path(
    get, path = "/media/{media_id}", tag = "media",
    params(("media_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "The media object.", body = MediaView), GetRefusals),
)]
pub async fn get_media(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    IdPath(id): IdPath<MediaId>,
) -> Result<Json<MediaView>, ApiError> {
    let media = state.stores.media.media(tenant.id, id).await?;
    let media = media.ok_or_else(|| ApiError::not_found("media object"))?;
    Ok(Json(media.into()))
}
