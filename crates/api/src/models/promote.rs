//! `POST /models/{id}/promote`.

use axum::Json;
use axum::extract::State;
use ortolan_domain::model::{Model, ModelRef, ModelStatus};
use ortolan_domain::{ErrorCode, ModelId, Slot};
use ortolan_store::{SlotAction, SlotChange, SlotFile, SlotSource, Tenant};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{file_path, find};
use crate::auth::{Access, AdminAccess};
use crate::error::ApiError;
use crate::extract::{IdPath, JsonBody};
use crate::openapi::{refusals, words};
use crate::slots::{SlotView, check_and_install};
use crate::state::ApiState;
use crate::upload::StagedModel;

refusals!(PromoteRefusals: NotFound, WrongState, Invalid, InvalidModel, UnsupportedMedia, TooLarge, DeadlineExceeded);

/// Where a version is promoted to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Promotion {
    /// The slot.
    #[schema(value_type = words::SlotName)]
    slot: Slot,
}

/// Promotes a version of a model into a slot
///
/// Only a ready version, and only one that is fit for the slot. The file is copied, so that the slot does not depend on the version any
/// more. Work under way ends on the model it began with; the next request uses the new one. Needs scope `admin`.
#[utoipa::path(
    post, path = "/models/{model_id}/promote", tag = "models", request_body = Promotion,
    params(("model_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "It is served.", body = SlotView), PromoteRefusals),
)]
pub async fn promote_model(
    State(state): State<ApiState>,
    Access { tenant, caller, .. }: AdminAccess,
    IdPath(id): IdPath<ModelId>,
    JsonBody(Promotion { slot }): JsonBody<Promotion>,
) -> Result<Json<SlotView>, ApiError> {
    let model = find(&state, &tenant, id).await?;
    if model.status != ModelStatus::Ready {
        let detail = format!("a {} model cannot be promoted; only a ready one can", model.status);
        return Err(ApiError::new(ErrorCode::WrongState, detail));
    }
    let staged = copy(&state, &tenant, &model).await?;
    let source = SlotSource { model_id: model.id, name: model.name, version: model.version };
    let file =
        SlotFile { sha256: staged.stored.sha256.clone(), size_bytes: staged.stored.size_bytes, source: Some(source) };
    let change = SlotChange { slot, action: SlotAction::Promote, file, actor: caller.name().to_owned() };
    Ok(Json(check_and_install(&state, &tenant, staged, change).await?.into()))
}

/// A copy of the version's file, if it is still the one that was validated.
async fn copy(state: &ApiState, tenant: &Tenant, model: &Model) -> Result<StagedModel, ApiError> {
    let path = file_path(&ModelRef::new(tenant.name.clone(), model.id))?;
    let staged = StagedModel::copy_of(state, &tenant.name, &path).await?;
    if model.file.as_ref().is_some_and(|file| file.sha256 == staged.stored.sha256) {
        return Ok(staged);
    }
    staged.discard().await;
    Err(ApiError::new(ErrorCode::WrongState, "the model's file is not the one that was validated; register it anew"))
}
