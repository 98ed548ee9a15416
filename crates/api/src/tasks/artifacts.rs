//! `GET /tasks/{id}/artifacts`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use ortolan_domain::artifact::Artifact;
use ortolan_domain::{ArtifactId, RunId, TaskId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::extract::{IdPath, Query};
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(ArtifactsRefusals: NotFound);

/// The most artifacts in one answer.
const MAX_LIMIT: u32 = 100;

/// Which part of the list is shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ArtifactsQuery {
    /// At most so many.
    #[serde(default = "usual_limit")]
    #[param(minimum = 1, maximum = 100, default = 100)]
    limit: u32,
    /// After leaving out so many.
    #[serde(default)]
    #[param(minimum = 0, default = 0)]
    offset: u64,
}

const fn usual_limit() -> u32 {
    MAX_LIMIT
}

/// A part of the list of artifacts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ArtifactList)]
struct ArtifactListView<'a> {
    /// The artifacts.
    items: Vec<ArtifactView<'a>>,
    /// How many there are in all.
    total: u64,
    /// At most so many were asked for.
    limit: u32,
    /// So many were left out before.
    offset: u64,
}

/// One typed, versioned result, with what it was made of.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Artifact)]
struct ArtifactView<'a> {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    artifact_id: ArtifactId,
    /// The task it belongs to.
    #[schema(value_type = String, format = Uuid)]
    task_id: TaskId,
    /// The run that made it.
    #[schema(value_type = String, format = Uuid)]
    run_id: RunId,
    /// Its place among the task's artifacts, from 0.
    ordinal: i32,
    /// What it is, for instance `object.detection`.
    artifact_type: &'a str,
    /// The version of its schema.
    schema_version: i32,
    /// Start of what it speaks of, in milliseconds of media time.
    span_start_ms: i64,
    /// End of it.
    span_end_ms: i64,
    /// The result itself.
    #[schema(value_type = Object)]
    payload: &'a Value,
    /// The program that made it.
    producer: &'a str,
    /// Its version.
    producer_version: &'a str,
    /// `fast`, `balanced` or `high_quality`.
    model_profile: &'a str,
    /// SHA-256 of the model file.
    model_sha256: Option<&'a str>,
    /// SHA-256 of the canonical configuration.
    config_hash: &'a str,
    /// SHA-256 of the input.
    input_hash: &'a str,
    /// The request that asked for it.
    request_id: Option<&'a str>,
    /// When it was stored.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl<'a> From<&'a Artifact> for ArtifactView<'a> {
    fn from(artifact: &'a Artifact) -> Self {
        let provenance = &artifact.provenance;
        Self {
            artifact_id: artifact.id,
            task_id: artifact.task_id,
            run_id: provenance.run_id,
            ordinal: artifact.ordinal,
            artifact_type: artifact.artifact_type.as_str(),
            schema_version: artifact.schema_version,
            span_start_ms: artifact.span_start_ms,
            span_end_ms: artifact.span_end_ms,
            payload: &artifact.payload,
            producer: &provenance.producer,
            producer_version: &provenance.producer_version,
            model_profile: &provenance.model_profile,
            model_sha256: provenance.model_sha256.as_deref(),
            config_hash: &provenance.config_hash,
            input_hash: &provenance.input_hash,
            request_id: provenance.request_id.as_deref(),
            created_at: artifact.created_at,
        }
    }
}

/// Lists what a task found
///
/// In the order of the run: for one picture by descending confidence. Needs scope `read`.
#[utoipa::path(
    get, path = "/tasks/{task_id}/artifacts", tag = "tasks",
    params(("task_id" = String, Path, format = Uuid), ArtifactsQuery),
    responses((status = 200, description = "A part of the list.", body = ArtifactListView), ArtifactsRefusals),
)]
pub async fn task_artifacts(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    IdPath(id): IdPath<TaskId>,
    Query(query): Query<ArtifactsQuery>,
) -> Result<Response, ApiError> {
    let ArtifactsQuery { limit, offset } = query;
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::parameter("limit", format!("must be from 1 to {MAX_LIMIT}, was {limit}")));
    }
    let found = state.stores.tasks.artifacts(tenant.id, id, limit, offset).await?;
    let found = found.ok_or_else(|| ApiError::not_found("task"))?;
    let items = found.items.iter().map(ArtifactView::from).collect();
    Ok(Json(ArtifactListView { items, total: found.total, limit, offset }).into_response())
}
