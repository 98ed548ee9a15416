//! `POST /models/{id}/validate`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use ortolan_domain::job::MlError;
use ortolan_domain::model::{Model, ModelRef, ModelStatus};
use ortolan_domain::{ErrorCode, ModelId};
use ortolan_ml_client::{CheckModel, ModelReport};
use ortolan_store::{ModelMoved, Tenant, Verdict};
use serde::Serialize;
use utoipa::ToSchema;

use super::facts::of_report;
use super::view::{FactsView, PortView, described};
use super::{answers_otherwise, changed, file_path, unknown};
use crate::auth::{Access, WriteAccess};
use crate::error::ApiError;
use crate::extract::IdPath;
use crate::openapi::{refusals, words};
use crate::state::ApiState;

refusals!(ValidateRefusals: NotFound, WrongState, DeadlineExceeded);

/// A validation that has not ended after so long is given up: whoever led it is gone.
const LEASE: Duration = Duration::from_secs(5 * 60);

/// How a validation ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Validation)]
pub struct ValidationView {
    /// The version's id.
    #[schema(value_type = String, format = Uuid)]
    id: ModelId,
    /// Whether the file can be served.
    valid: bool,
    /// `ready` or `error`.
    #[schema(value_type = words::ModelStatus)]
    status: &'static str,
    /// Why the file cannot be served.
    error_message: Option<String>,
    /// What goes in.
    input_schema: Option<Vec<PortView>>,
    /// What comes out.
    output_schema: Option<Vec<PortView>>,
    /// What else was found.
    metadata: Option<FactsView>,
}

/// Validates a version's file
///
/// The file is scanned, then loaded and tried in a process of its own that is thrown away, so that a file that crashes or hangs its loader
/// does no harm. A file that cannot be served is an answer, not an error. Needs scope `write`.
#[utoipa::path(
    post, path = "/models/{model_id}/validate", tag = "models",
    params(("model_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "The verdict.", body = ValidationView), ValidateRefusals),
)]
pub async fn validate_model(
    State(state): State<ApiState>,
    Access { tenant, .. }: WriteAccess,
    IdPath(id): IdPath<ModelId>,
) -> Result<Json<ValidationView>, ApiError> {
    // A validation that began is led to its end, even if the client leaves.
    let validated = tokio::spawn(validate(state, tenant, id)).await;
    validated.map_err(|error| ApiError::internal(&error))?.map(|model| Json(view(model)))
}

async fn validate(state: ApiState, tenant: Arc<Tenant>, id: ModelId) -> Result<Model, ApiError> {
    let begun = begin(&state, &tenant, id).await?;
    changed(&state, &tenant, &begun).await;
    let (verdict, failure) = judge(check(&state, &tenant, &begun).await);
    let ended = state.stores.models.end_validation(tenant.id, id, begun.revision, verdict, state.now()).await;
    answers_otherwise(&state, &tenant, &begun).await;
    let overtaken = || ApiError::new(ErrorCode::WrongState, "the model changed while it was validated");
    match (failure, ended?) {
        (Some(failure), _) => Err(failure),
        (None, ended) => ended.ok_or_else(overtaken),
    }
}

async fn begin(state: &ApiState, tenant: &Tenant, id: ModelId) -> Result<Model, ApiError> {
    let now = state.now();
    match state.stores.models.begin_validation(tenant.id, id, now.plus(LEASE), now).await? {
        ModelMoved::Moved(model) => Ok(*model),
        ModelMoved::Missing => Err(unknown(id)),
        ModelMoved::Refused(model) if model.status == ModelStatus::Pending => {
            Err(ApiError::parameter("file", "the model has no file yet; upload it first"))
        }
        ModelMoved::Refused(model) => {
            let detail =
                format!("a {} model cannot be validated; only an uploaded one or one in error can", model.status);
            Err(ApiError::new(ErrorCode::WrongState, detail))
        }
    }
}

async fn check(state: &ApiState, tenant: &Tenant, model: &Model) -> Result<ModelReport, MlError> {
    let missing = || MlError::new(ErrorCode::NotFound, "the file is gone; upload it again");
    let path = file_path(&ModelRef::new(tenant.name.clone(), model.id)).map_err(|_| missing())?;
    let object_path = path.as_str().to_owned();
    let question = CheckModel { tenant: tenant.name.clone(), object_path, slot: None };
    let report = state.inference.check_model(question).await?;
    match &model.file {
        // Two uploads at once may leave the record of one and the file of the other.
        Some(file) if file.sha256 != report.sha256 => {
            let detail = "the stored file is not the one that was recorded; upload it again";
            Err(MlError::new(ErrorCode::InvalidModel, detail))
        }
        _ => Ok(report),
    }
}

/// The verdict, and what is answered instead of it when nothing was found out.
fn judge(report: Result<ModelReport, MlError>) -> (Verdict, Option<ApiError>) {
    let error = match report {
        Ok(report) => return (Verdict::Accepted(Box::new(of_report(report))), None),
        Err(error) => error,
    };
    let reason = match error.code {
        ErrorCode::Crashed => "the model crashed the process that tried it".to_owned(),
        ErrorCode::OutOfMemory => "the model needs more memory than it may have".to_owned(),
        ErrorCode::NotFound => "the file is gone; upload it again".to_owned(),
        ErrorCode::InvalidModel | ErrorCode::RunFailed | ErrorCode::TooLarge => error.detail,
        _ => return (Verdict::GivenUp, Some(error.into())),
    };
    (Verdict::Rejected(reason), None)
}

fn view(model: Model) -> ValidationView {
    let (input_schema, output_schema, metadata) = described(model.facts);
    ValidationView {
        id: model.id,
        valid: model.status == ModelStatus::Ready,
        status: model.status.as_str(),
        error_message: model.error,
        input_schema,
        output_schema,
        metadata,
    }
}
