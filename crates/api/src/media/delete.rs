//! `DELETE /media/{id}`.

use axum::extract::State;
use http::StatusCode;
use ortolan_domain::MediaId;

use super::receive::delete_media;
use crate::auth::{Access, WriteAccess};
use crate::error::ApiError;
use crate::extract::IdPath;
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(DeleteRefusals: NotFound);

/// Deletes a media object
///
/// Also while tasks that have not ended look at it: those fail. Results that were stored stay. Needs scope `write`.
#[utoipa::path(
    delete, path = "/media/{media_id}", tag = "media",
    params(("media_id" = String, Path, format = Uuid)),
    responses((status = 204, description = "Deleted."), DeleteRefusals),
)]
pub async fn delete_one(
    State(state): State<ApiState>,
    Access { tenant, .. }: WriteAccess,
    IdPath(id): IdPath<MediaId>,
) -> Result<StatusCode, ApiError> {
    if delete_media(&state, &tenant, id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::not_found("media object"))
    }
}
