//! `POST /models`.

use axum::Json;
use axum::extract::State;
use http::{HeaderName, StatusCode, header};
use ortolan_domain::model::{Model, ModelStatus, RegistryName, VersionLabel};
use ortolan_domain::{ErrorCode, FieldError, ModelId};
use ortolan_store::{NewModelOutcome, StoreError, Tenant};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::cache;
use super::view::ModelView;
use crate::auth::{Access, WriteAccess};
use crate::error::ApiError;
use crate::extract::{IdempotencyKey, JsonBody, idempotency_conflict};
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(CreateRefusals: Duplicate, IdempotencyConflict, Invalid, UnsupportedMedia, TooLarge);

/// The longest description, in characters.
const MAX_DESCRIPTION_CHARS: usize = 4_000;
/// The most metadata, in bytes of JSON.
const MAX_METADATA_BYTES: usize = 64 * 1024;

/// A version to be registered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewModel)]
pub struct ModelWish {
    /// 1 to 255 characters that can stand in a path; versions of one model share it.
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// 1 to 50 characters, best a semantic version; `1.0.0` when left out.
    #[schema(min_length = 1, max_length = 50, default = "1.0.0")]
    version: Option<String>,
    /// A text for people.
    #[schema(max_length = 4000)]
    description: Option<String>,
    /// Whatever should be remembered of it, at most 64 KiB.
    #[schema(value_type = Option<Object>)]
    model_metadata: Option<Map<String, Value>>,
}

/// Registers a version of a model
///
/// It has no file yet: upload one next, then validate it. Needs scope `write`.
#[utoipa::path(
    post, path = "/models", tag = "models", request_body = ModelWish,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and request give the same version.")),
    responses(
        (status = 201, description = "Registered.", body = ModelView, headers(("Location" = String, description = "Where it is."))),
        CreateRefusals,
    ),
)]
pub async fn create_model(
    State(state): State<ApiState>,
    Access { tenant, .. }: WriteAccess,
    idempotency: IdempotencyKey,
    JsonBody(wish): JsonBody<ModelWish>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<ModelView>), ApiError> {
    let model = new_model(&state, &tenant, wish)?;
    let metadata = serde_json::to_string(&model.metadata).map_err(|error| ApiError::internal(&error))?;
    let request = [
        "POST /models",
        model.name.as_str(),
        model.version.as_str(),
        model.description.as_deref().unwrap_or_default(),
        &metadata,
    ];
    let promise = idempotency.promise(&state, &request);
    let outcome = state.stores.models.create_model(&model, promise).await.map_err(|error| refuse_taken(error, &model));
    let model = match outcome? {
        NewModelOutcome::Created => {
            cache::drop_model(&state, &tenant.name, &model).await;
            model
        }
        NewModelOutcome::Replayed(before) => *before,
        NewModelOutcome::Conflict => return Err(idempotency_conflict()),
    };
    let location = format!("/api/v1/models/{}", model.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(ModelView::of(model, &tenant.name))))
}

fn new_model(state: &ApiState, tenant: &Tenant, wish: ModelWish) -> Result<Model, ApiError> {
    let version = wish.version.as_deref().map_or_else(|| Ok(VersionLabel::default()), check_version)?;
    wish.description.as_deref().map_or(Ok(()), check_description)?;
    wish.model_metadata.as_ref().map_or(Ok(()), check_metadata)?;
    let now = state.now();
    Ok(Model {
        id: ModelId::generate(),
        tenant_id: tenant.id,
        name: check_name(&wish.name)?,
        version,
        description: wish.description,
        metadata: wish.model_metadata.unwrap_or_default(),
        status: ModelStatus::Pending,
        file: None,
        facts: None,
        error: None,
        revision: 1,
        validating_until: None,
        created_at: now,
        updated_at: now,
    })
}

/// Checks a name.
pub fn check_name(name: &str) -> Result<RegistryName, FieldError> {
    RegistryName::parse(name).map_err(|error| FieldError::new("name", error.to_string()))
}

/// Checks a version.
pub fn check_version(version: &str) -> Result<VersionLabel, FieldError> {
    VersionLabel::parse(version).map_err(|error| FieldError::new("version", error.to_string()))
}

/// Checks a description.
pub fn check_description(text: &str) -> Result<(), FieldError> {
    let given = text.chars().count();
    if text.contains('\0') {
        return Err(FieldError::new("description", "may not contain NUL"));
    }
    let reason = || format!("must have at most {MAX_DESCRIPTION_CHARS} characters, has {given}");
    if given <= MAX_DESCRIPTION_CHARS { Ok(()) } else { Err(FieldError::new("description", reason())) }
}

/// Checks metadata.
pub fn check_metadata(metadata: &Map<String, Value>) -> Result<(), FieldError> {
    let given = serde_json::to_string(metadata).map_or(usize::MAX, |json| json.len());
    let reason = || format!("must have at most {MAX_METADATA_BYTES} bytes of JSON, has {given}");
    if given <= MAX_METADATA_BYTES { Ok(()) } else { Err(FieldError::new("model_metadata", reason())) }
}

/// The refusal of a name and version that the tenant has already.
pub fn refuse_taken(error: StoreError, model: &Model) -> ApiError {
    match error {
        StoreError::Duplicate => taken(&model.name, &model.version),
        error => error.into(),
    }
}

/// The refusal of a name and version that the tenant has already.
pub fn taken(name: &RegistryName, version: &VersionLabel) -> ApiError {
    ApiError::new(ErrorCode::Duplicate, format!("Model with name '{name}' and version '{version}' already exists"))
}
