//! What a model takes and gives, and whether it can answer.

use axum::Json;
use axum::extract::State;
use ortolan_domain::model::{ModelStatus, RegistryName};
use ortolan_store::Tenant;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ModelRefusals;
use super::name::ModelPath;
use super::outputs::{TensorView, tensor_view};
use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::predict::{Target, Wanted, deadline};
use crate::state::ApiState;

/// What runs every model.
pub(super) const PLATFORM: &str = "onnxruntime_onnx";

/// What a model takes and gives.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OipModel)]
pub struct ModelMetadata {
    /// Its name.
    name: String,
    /// Its versions that can answer.
    versions: Vec<String>,
    /// What runs it.
    platform: &'static str,
    /// What goes in.
    inputs: Vec<TensorView>,
    /// What comes out.
    outputs: Vec<TensorView>,
}

/// That a model can answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OipModelReady)]
pub struct ModelReady {
    /// Its name.
    name: String,
    /// Always true.
    ready: bool,
}

/// Finds a model within the deadline of a prediction.
pub(super) async fn find(
    state: &ApiState,
    tenant: &Tenant,
    wanted: Wanted,
) -> Result<std::sync::Arc<Target>, ApiError> {
    deadline(state.settings(), None).meet(state.predictions.targets.find(state, tenant, wanted)).await
}

/// Describes a model
///
/// Its latest ready version. Needs scope `read`.
#[utoipa::path(
    get, path = "/v2/models/{model_name}", tag = "open inference protocol",
    params(("model_name" = String, Path, description = "A name in the registry, or a slot.")),
    responses((status = 200, description = "The model.", body = ModelMetadata), ModelRefusals),
)]
pub async fn model_metadata(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    ModelPath(wanted): ModelPath,
) -> Result<Json<ModelMetadata>, ApiError> {
    let target = find(&state, &tenant, wanted).await?;
    Ok(Json(ModelMetadata {
        versions: versions(&state, &tenant, &target).await?,
        name: target.name.clone(),
        platform: PLATFORM,
        inputs: target.signature.inputs.iter().map(tensor_view).collect(),
        outputs: target.signature.outputs.iter().map(tensor_view).collect(),
    }))
}

/// Describes a version of a model
///
/// Needs scope `read`.
#[utoipa::path(
    get, path = "/v2/models/{model_name}/versions/{model_version}", tag = "open inference protocol",
    params(("model_name" = String, Path), ("model_version" = String, Path)),
    responses((status = 200, description = "The version.", body = ModelMetadata), ModelRefusals),
)]
pub async fn version_metadata(
    state: State<ApiState>,
    access: ReadAccess,
    path: ModelPath,
) -> Result<Json<ModelMetadata>, ApiError> {
    model_metadata(state, access, path).await
}

async fn versions(state: &ApiState, tenant: &Tenant, target: &Target) -> Result<Vec<String>, ApiError> {
    let (Some(_), Ok(name)) = (target.version_id, RegistryName::parse(&target.name)) else {
        return Ok(vec![target.version.clone()]);
    };
    let known = state.stores.models.model_versions(tenant.id, &name).await?.items;
    let ready = known.into_iter().filter(|model| model.effective_status(state.now()) == ModelStatus::Ready);
    Ok(ready.map(|model| model.version.to_string()).collect())
}

/// Says whether a model can answer
///
/// Needs scope `read`.
#[utoipa::path(
    get, path = "/v2/models/{model_name}/ready", tag = "open inference protocol",
    params(("model_name" = String, Path)),
    responses((status = 200, description = "It can.", body = ModelReady), ModelRefusals),
)]
pub async fn model_ready(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    ModelPath(wanted): ModelPath,
) -> Result<Json<ModelReady>, ApiError> {
    let target = find(&state, &tenant, wanted).await?;
    Ok(Json(ModelReady { name: target.name.clone(), ready: true }))
}

/// Says whether a version can answer
///
/// Needs scope `read`.
#[utoipa::path(
    get, path = "/v2/models/{model_name}/versions/{model_version}/ready", tag = "open inference protocol",
    params(("model_name" = String, Path), ("model_version" = String, Path)),
    responses((status = 200, description = "It can.", body = ModelReady), ModelRefusals),
)]
pub async fn version_ready(
    state: State<ApiState>,
    access: ReadAccess,
    path: ModelPath,
) -> Result<Json<ModelReady>, ApiError> {
    model_ready(state, access, path).await
}
