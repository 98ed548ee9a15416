//! `POST /models/{id}/upload`.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use ortolan_domain::model::{Model, ModelFile, ModelMove, ModelRef};
use ortolan_domain::{ErrorCode, FieldError, ModelId};
use ortolan_store::{ModelMoved, Tenant};
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{answers_otherwise, changed, file_path, find, unknown};
use crate::auth::{Access, WriteAccess};
use crate::error::ApiError;
use crate::extract::IdPath;
use crate::openapi::refusals;
use crate::state::ApiState;
use crate::upload::{Form, StagedModel};

refusals!(UploadRefusals: NotFound, WrongState, UnsupportedMedia, TooLarge, Invalid);

const PARTS: &str = "one part 'file'";

/// A form with a model's file.
pub struct ModelForm;

impl PartialSchema for ModelForm {
    fn schema() -> RefOr<Schema> {
        let file = ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .description(Some("The file itself; its name must end with `.onnx`."));
        ObjectBuilder::new().property("file", file).required("file").into()
    }
}

impl ToSchema for ModelForm {
    fn name() -> Cow<'static, str> {
        "ModelForm".into()
    }
}

/// A file that was stored.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UploadedModel)]
pub struct UploadView {
    /// The version's id.
    #[schema(value_type = String, format = Uuid)]
    id: ModelId,
    /// The conventional path of the file.
    file_path: String,
    /// Size of the file.
    file_size_bytes: u64,
    /// SHA-256 of the file in hexadecimal.
    file_hash: String,
    /// `uploaded`.
    status: &'static str,
    /// What to do next.
    message: &'static str,
}

/// Uploads a version's file
///
/// As a form with the part `file`. Only `.onnx`; a file that was uploaded before is replaced, as long as the version is not ready
/// or archived. Nobody looks into the file before it is validated. Needs scope `write`.
#[utoipa::path(
    post, path = "/models/{model_id}/upload", tag = "models",
    params(("model_id" = String, Path, format = Uuid)),
    request_body(content((ModelForm = "multipart/form-data"))),
    responses((status = 200, description = "Stored.", body = UploadView), UploadRefusals),
)]
pub async fn upload_model(
    State(state): State<ApiState>,
    Access { tenant, .. }: WriteAccess,
    IdPath(id): IdPath<ModelId>,
    request: Request,
) -> Result<Json<UploadView>, ApiError> {
    let model = find(&state, &tenant, id).await?;
    if !model.allows(ModelMove::Upload, state.now()) {
        return Err(refuse_state(&model));
    }
    let (parts, body) = request.into_parts();
    let form = Form::read(&parts.headers, body, state.settings())?;
    let form =
        form.map_err(|_| ApiError::new(ErrorCode::UnsupportedMedia, "the file must come as a form, part 'file'"))?;
    let staged = receive(&state, &tenant, form).await?;
    // A client that leaves now must not leave a version that names a file it has not.
    let stored = tokio::spawn(store(state, tenant, model, staged)).await;
    stored.map_err(|error| ApiError::internal(&error))?.map(Json)
}

async fn receive(state: &ApiState, tenant: &Tenant, mut form: Form) -> Result<StagedModel, ApiError> {
    let missing = || FieldError::new("file", format!("the form has no part of this name, expected {PARTS}"));
    let mut part = form.next_part().await?.ok_or_else(missing)?;
    if part.name != "file" {
        return Err(part.unexpected(PARTS));
    }
    check_file_name(part.file_name.take())?;
    let staged = StagedModel::receive(state, &tenant.name, part.into_stream()).await?;
    let refusal = match form.next_part().await {
        Ok(None) => return Ok(staged),
        Ok(Some(part)) => part.unexpected(PARTS),
        Err(error) => error,
    };
    staged.discard().await;
    Err(refusal)
}

/// The name only says what the client takes the file for; it is never part of a path.
fn check_file_name(name: Option<String>) -> Result<(), ApiError> {
    let name = name.ok_or_else(|| ApiError::parameter("file", "the part has no file name"))?;
    let is_onnx = name.len() > 5 && name.to_ascii_lowercase().ends_with(".onnx");
    if is_onnx { Ok(()) } else { Err(ApiError::parameter("file", "only files whose name ends with .onnx are taken")) }
}

/// Records the file, then moves it to its place. The record comes first: its guard keeps a version that became ready by now
/// from losing the file it was validated with.
async fn store(
    state: ApiState,
    tenant: Arc<Tenant>,
    before: Model,
    staged: StagedModel,
) -> Result<UploadView, ApiError> {
    let file = ModelFile { sha256: staged.stored.sha256.clone(), size_bytes: staged.stored.size_bytes };
    let recorded = state.stores.models.record_model_file(tenant.id, before.id, file.clone(), state.now()).await;
    let refusal = match recorded {
        Ok(ModelMoved::Moved(model)) => {
            let reference = ModelRef::new(tenant.name.clone(), model.id);
            if let Err(error) = staged.move_to(&state, &file_path(&reference)?).await {
                take_back(&state, &tenant, &model).await;
                return Err(error);
            }
            answers_otherwise(&state, &tenant, &model).await;
            tracing::info!(model_id = %model.id, size_bytes = file.size_bytes, "model file uploaded");
            return Ok(view(&reference, *model, file));
        }
        Ok(ModelMoved::Refused(model)) => refuse_state(&model),
        Ok(ModelMoved::Missing) => unknown(before.id),
        Err(error) => error.into(),
    };
    staged.discard().await;
    Err(refusal)
}

async fn take_back(state: &ApiState, tenant: &Tenant, model: &Model) {
    let forgotten = state.stores.models.forget_model_file(tenant.id, model.id, model.revision, state.now()).await;
    if let Err(error) = forgotten {
        // Validation will find that the file is not there.
        tracing::warn!(model_id = %model.id, error = &error as &dyn std::error::Error, "a file that was not stored stays recorded");
    }
    changed(state, tenant, model).await;
}

fn view(reference: &ModelRef, model: Model, file: ModelFile) -> UploadView {
    UploadView {
        id: model.id,
        file_path: reference.object_path(),
        file_size_bytes: file.size_bytes,
        file_hash: file.sha256,
        status: model.status.as_str(),
        message: "Model file uploaded; validate it next",
    }
}

fn refuse_state(model: &Model) -> ApiError {
    let detail = format!("a {} model takes no file; upload it as a new version", model.status);
    ApiError::new(ErrorCode::WrongState, detail)
}
