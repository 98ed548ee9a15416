//! `PATCH /models/{id}`.

use axum::Json;
use axum::extract::State;
use ortolan_domain::model::{Model, ModelStatus};
use ortolan_domain::{ErrorCode, FieldError, ModelId};
use ortolan_store::{ModelChanges, ModelMoved, StoreError, Tenant};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::create::{check_description, check_metadata, check_name, check_version, taken};
use super::view::ModelView;
use super::{answers_otherwise, changed, find, unknown};
use crate::auth::{Access, WriteAccess};
use crate::error::ApiError;
use crate::extract::{IdPath, JsonBody};
use crate::openapi::{refusals, words};
use crate::state::ApiState;

refusals!(UpdateRefusals: NotFound, WrongState, Duplicate, Invalid, UnsupportedMedia, TooLarge);

/// What of a version may change. What is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ModelChange)]
pub struct ModelChange {
    /// 1 to 255 characters that can stand in a path.
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
    /// 1 to 50 characters.
    #[schema(min_length = 1, max_length = 50)]
    version: Option<String>,
    /// A text for people.
    #[schema(max_length = 4000)]
    description: Option<String>,
    /// Whatever should be remembered of it, instead of what was.
    #[schema(value_type = Option<Object>)]
    model_metadata: Option<Map<String, Value>>,
    /// `archived` puts the version aside; for an archived one, the status it had takes it back. Nothing else can be set.
    #[schema(value_type = Option<words::ModelStatus>)]
    status: Option<String>,
}

/// Changes a version of a model
///
/// The status can only be changed to put the version aside and to take it back. Needs scope `write`.
#[utoipa::path(
    patch, path = "/models/{model_id}", tag = "models", request_body = ModelChange,
    params(("model_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "The version as it is now.", body = ModelView), UpdateRefusals),
)]
pub async fn update_model(
    State(state): State<ApiState>,
    Access { tenant, .. }: WriteAccess,
    IdPath(id): IdPath<ModelId>,
    JsonBody(change): JsonBody<ModelChange>,
) -> Result<Json<ModelView>, ApiError> {
    let before = find(&state, &tenant, id).await?;
    let changes = check(change, &before)?;
    let is_moved = changes.archived.is_some();
    let after = apply(&state, &tenant, &before, changes).await?;
    changed(&state, &tenant, &before).await;
    if is_moved {
        answers_otherwise(&state, &tenant, &after).await;
    } else {
        changed(&state, &tenant, &after).await;
    }
    Ok(Json(ModelView::of(after, &tenant.name)))
}

fn check(change: ModelChange, before: &Model) -> Result<ModelChanges, ApiError> {
    change.description.as_deref().map_or(Ok(()), check_description)?;
    change.model_metadata.as_ref().map_or(Ok(()), check_metadata)?;
    Ok(ModelChanges {
        name: change.name.as_deref().map(check_name).transpose()?,
        version: change.version.as_deref().map(check_version).transpose()?,
        description: change.description,
        metadata: change.model_metadata,
        archived: change.status.as_deref().map(|word| archived(word, before)).transpose()?,
    })
}

/// Whether a status that somebody wants means the archive or the way back; nothing else can be wanted.
fn archived(word: &str, before: &Model) -> Result<bool, ApiError> {
    let wanted = ModelStatus::parse(word).ok_or_else(|| {
        let expected = ModelStatus::ALL.map(ModelStatus::as_str).join(", ");
        FieldError::new("status", format!("expected one of {expected}, was '{word}'"))
    })?;
    match (before.status, wanted) {
        (_, ModelStatus::Archived) => Ok(true),
        (ModelStatus::Archived, wanted) if wanted == before.unarchived_status() => Ok(false),
        (stands, wanted) => {
            let detail = format!(
                "the status of a {stands} model cannot be set to {wanted}: only 'archived' can be set, and for an archived model the status it had"
            );
            Err(ApiError::new(ErrorCode::WrongState, detail))
        }
    }
}

async fn apply(state: &ApiState, tenant: &Tenant, before: &Model, changes: ModelChanges) -> Result<Model, ApiError> {
    let name = changes.name.clone().unwrap_or_else(|| before.name.clone());
    let version = changes.version.clone().unwrap_or_else(|| before.version.clone());
    match state.stores.models.update_model(tenant.id, before.id, changes, state.now()).await {
        Ok(ModelMoved::Moved(model)) => Ok(*model),
        Ok(ModelMoved::Refused(model)) => {
            let detail = format!("a {} model cannot be archived or taken back", model.status);
            Err(ApiError::new(ErrorCode::WrongState, detail))
        }
        Ok(ModelMoved::Missing) => Err(unknown(before.id)),
        Err(StoreError::Duplicate) => Err(taken(&name, &version)),
        Err(error) => Err(error.into()),
    }
}
