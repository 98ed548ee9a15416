//! `PUT /slots/{type}`.

use axum::Json;
use axum::extract::{Request, State};
use http::{HeaderMap, header};
use ortolan_domain::ErrorCode;
use ortolan_store::{SlotAction, SlotChange, SlotFile};

use super::install::check_and_install;
use super::view::SlotView;
use crate::auth::{Access, AdminAccess};
use crate::error::ApiError;
use crate::extract::SlotPath;
use crate::openapi::{refusals, words};
use crate::state::ApiState;
use crate::upload::{StagedModel, bytes_of};

refusals!(PutRefusals: TooLarge, UnsupportedMedia, Invalid, InvalidModel, DeadlineExceeded);

/// Puts a model into a slot
///
/// The file is the raw body. It is scanned and tried in a throw-away process first; a file that is no model, or none for this
/// slot, is refused, and the slot keeps what it had. Needs scope `admin`.
#[utoipa::path(
    put, path = "/slots/{type}", tag = "slots",
    params(("type" = words::SlotName, Path)),
    request_body(content((Vec<u8> = "application/octet-stream"))),
    responses((status = 200, description = "The model is in its slot.", body = SlotView), PutRefusals),
)]
pub async fn put_slot(
    State(state): State<ApiState>,
    Access { tenant, caller, .. }: AdminAccess,
    SlotPath(slot): SlotPath,
    request: Request,
) -> Result<Json<SlotView>, ApiError> {
    refuse_form(request.headers())?;
    let bytes = bytes_of(request.into_body(), state.settings().upload_idle_timeout);
    let staged = StagedModel::receive(&state, &tenant.name, bytes).await?;
    let file = SlotFile { sha256: staged.stored.sha256.clone(), size_bytes: staged.stored.size_bytes, source: None };
    let change = SlotChange { slot, action: SlotAction::Upload, file, actor: caller.name().to_owned() };
    Ok(Json(check_and_install(&state, &tenant, staged, change).await?.into()))
}

fn refuse_form(headers: &HeaderMap) -> Result<(), ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.to_ascii_lowercase().starts_with("multipart/") {
        return Err(ApiError::new(ErrorCode::UnsupportedMedia, "the file itself must be the body, not a form"));
    }
    Ok(())
}
