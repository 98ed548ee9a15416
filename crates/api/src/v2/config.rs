//! A model's configuration, as load generators ask for it.

use axum::Json;
use axum::extract::State;
use ortolan_domain::tensor::Datatype;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ModelRefusals;
use super::metadata::{PLATFORM, find};
use super::name::ModelPath;
use super::outputs::{TensorView, tensor_view};
use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::state::ApiState;

/// A model's configuration.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OipConfig)]
pub struct ModelConfig {
    /// Its name.
    name: String,
    /// What runs it.
    platform: &'static str,
    /// What runs it.
    backend: &'static str,
    /// Always 0: shapes are given whole, the batch axis among them.
    max_batch_size: u32,
    /// What goes in.
    input: Vec<PortConfig>,
    /// What comes out.
    output: Vec<PortConfig>,
}

/// An input or output.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OipPortConfig)]
struct PortConfig {
    /// Its name.
    name: String,
    /// Its datatype, for instance `TYPE_FP32`.
    data_type: String,
    /// Its shape; -1 for a free axis.
    dims: Vec<i64>,
}

impl From<TensorView> for PortConfig {
    fn from(view: TensorView) -> Self {
        let word = if view.datatype == Datatype::Bytes.name() { "STRING" } else { view.datatype.as_str() };
        Self { data_type: format!("TYPE_{word}"), name: view.name, dims: view.shape }
    }
}

/// Shows a model's configuration
///
/// Needs scope `read`.
#[utoipa::path(
    get, path = "/v2/models/{model_name}/config", tag = "open inference protocol",
    params(("model_name" = String, Path)),
    responses((status = 200, description = "The configuration.", body = ModelConfig), ModelRefusals),
)]
pub async fn model_config(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    ModelPath(wanted): ModelPath,
) -> Result<Json<ModelConfig>, ApiError> {
    let target = find(&state, &tenant, wanted).await?;
    Ok(Json(ModelConfig {
        name: target.name.clone(),
        platform: PLATFORM,
        backend: "onnxruntime",
        max_batch_size: 0,
        input: target.signature.inputs.iter().map(|spec| tensor_view(spec).into()).collect(),
        output: target.signature.outputs.iter().map(|spec| tensor_view(spec).into()).collect(),
    }))
}

/// Shows a version's configuration
///
/// Needs scope `read`.
#[utoipa::path(
    get, path = "/v2/models/{model_name}/versions/{model_version}/config", tag = "open inference protocol",
    params(("model_name" = String, Path), ("model_version" = String, Path)),
    responses((status = 200, description = "The configuration.", body = ModelConfig), ModelRefusals),
)]
pub async fn version_config(
    state: State<ApiState>,
    access: ReadAccess,
    path: ModelPath,
) -> Result<Json<ModelConfig>, ApiError> {
    model_config(state, access, path).await
}
