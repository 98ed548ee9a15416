//! What a model did.

use axum::Json;
use axum::extract::State;
use ortolan_ml_client::{ModelStats, Spent};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ModelRefusals;
use super::metadata::find;
use super::name::ModelPath;
use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::predict::Target;
use crate::state::ApiState;

/// What models did.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OipStats)]
pub struct StatsView {
    /// One for each model.
    model_stats: Vec<ModelStatsView>,
}

/// What a model did since the ML service started.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OipModelStats)]
struct ModelStatsView {
    /// Its name.
    name: String,
    /// Its version.
    version: String,
    /// When it last ended a run, in milliseconds since 1970.
    last_inference: i64,
    /// Rows that went through it.
    inference_count: u64,
    /// Runs of it.
    execution_count: u64,
    /// Where the time went.
    inference_stats: InferenceStatsView,
}

/// Where the time went.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = OipInferenceStats)]
struct InferenceStatsView {
    /// Requests that ended well.
    success: SpentView,
    /// Requests that did not.
    fail: SpentView,
    /// Waiting.
    queue: SpentView,
    /// Preparing inputs.
    compute_input: SpentView,
    /// Running.
    compute_infer: SpentView,
    /// Reading outputs.
    compute_output: SpentView,
}

/// How often something was done and how long it took in all.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = OipSpent)]
struct SpentView {
    /// How often.
    count: u64,
    /// Nanoseconds in all.
    ns: u64,
}

impl From<Spent> for SpentView {
    fn from(Spent { count, ns }: Spent) -> Self {
        Self { count, ns }
    }
}

impl ModelStatsView {
    /// A model that has done nothing has no statistics yet.
    fn new(target: &Target, stats: Option<&ModelStats>) -> Self {
        let (name, version) = (target.name.clone(), target.version.clone());
        let last_inference = stats.and_then(|stats| stats.last_inference).map_or(0, |at| at.as_micros() / 1000);
        let inference_stats = stats.map_or_else(InferenceStatsView::default, |stats| InferenceStatsView {
            success: stats.success.into(),
            fail: stats.fail.into(),
            queue: stats.queue.into(),
            compute_input: stats.compute_input.into(),
            compute_infer: stats.compute_infer.into(),
            compute_output: stats.compute_output.into(),
        });
        Self {
            name,
            version,
            last_inference,
            inference_count: stats.map_or(0, |stats| stats.inference_count),
            execution_count: stats.map_or(0, |stats| stats.execution_count),
            inference_stats,
        }
    }
}

/// Shows what a model did
///
/// Needs scope `read`.
#[utoipa::path(
    get, path = "/v2/models/{model_name}/stats", tag = "open inference protocol",
    params(("model_name" = String, Path)),
    responses((status = 200, description = "Since the ML service started.", body = StatsView), ModelRefusals),
)]
pub async fn model_stats(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    ModelPath(wanted): ModelPath,
) -> Result<Json<StatsView>, ApiError> {
    let target = find(&state, &tenant, wanted).await?;
    let stats = state.inference.model_stats(Some(tenant.name.clone())).await?;
    let own = stats.iter().find(|stats| stats.model == target.model);
    Ok(Json(StatsView { model_stats: vec![ModelStatsView::new(&target, own)] }))
}

/// Shows what a version did
///
/// Needs scope `read`.
#[utoipa::path(
    get, path = "/v2/models/{model_name}/versions/{model_version}/stats", tag = "open inference protocol",
    params(("model_name" = String, Path), ("model_version" = String, Path)),
    responses((status = 200, description = "Since the ML service started.", body = StatsView), ModelRefusals),
)]
pub async fn version_stats(
    state: State<ApiState>,
    access: ReadAccess,
    path: ModelPath,
) -> Result<Json<StatsView>, ApiError> {
    model_stats(state, access, path).await
}
