//! `GET /models/by-name/{name}/versions` and `/latest`.

use axum::extract::State;
use axum::response::Response;
use ortolan_domain::model::{Model, RegistryName};
use ortolan_domain::{ErrorCode, ModelId, Timestamp};
use ortolan_store::Tenant;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::cache::{self, Key};
use super::view::ModelView;
use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::extract::{NamePath, Query};
use crate::openapi::{refusals, words};
use crate::state::ApiState;

refusals!(VersionsRefusals: NotFound);
refusals!(LatestRefusals: NotFound);

/// The versions of a name.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ModelVersions)]
pub struct VersionsView {
    /// The name.
    name: String,
    /// Its versions, the highest first; at most 1,000 of them.
    versions: Vec<VersionView>,
    /// How many there are in all.
    total: u64,
    /// The highest one, whatever its status.
    latest_version: String,
}

/// A version in short.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ModelVersion)]
pub struct VersionView {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    id: ModelId,
    /// Its label.
    version: String,
    /// Where it stands.
    #[schema(value_type = words::ModelStatus)]
    status: &'static str,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<Model> for VersionView {
    fn from(model: Model) -> Self {
        let Model { id, version, status, created_at, .. } = model;
        Self { id, version: version.to_string(), status: status.as_str(), created_at }
    }
}

/// Lists the versions of a model by its name
///
/// Sorted as semantic versions, the highest first; a release stands above its pre-releases, and whatever is no semantic version
/// below all that are. Needs scope `read`.
#[utoipa::path(
    get, path = "/models/by-name/{name}/versions", tag = "models",
    params(("name" = String, Path)),
    responses((status = 200, description = "Its versions.", body = VersionsView), VersionsRefusals),
)]
pub async fn model_versions(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    NamePath(name): NamePath,
) -> Result<Response, ApiError> {
    cache::answer(&state, &tenant, Key::Versions(&name)).await
}

/// The versions of a name, from the database.
pub async fn versions(state: &ApiState, tenant: &Tenant, name: &RegistryName) -> Result<VersionsView, ApiError> {
    let found = state.stores.models.model_versions(tenant.id, name).await?;
    let highest = found.items.first().map(|model| model.version.to_string());
    let latest_version = highest.ok_or_else(|| unknown_name(name))?;
    let versions = found.items.into_iter().map(VersionView::from).collect();
    Ok(VersionsView { name: name.to_string(), versions, total: found.total, latest_version })
}

/// Which versions may be the latest.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LatestQuery {
    /// Only versions that may be run.
    #[serde(default)]
    ready_only: bool,
}

/// Shows the latest version of a model by its name
///
/// Needs scope `read`.
#[utoipa::path(
    get, path = "/models/by-name/{name}/latest", tag = "models",
    params(("name" = String, Path), LatestQuery),
    responses((status = 200, description = "The version.", body = ModelView), LatestRefusals),
)]
pub async fn latest_model(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    NamePath(name): NamePath,
    Query(query): Query<LatestQuery>,
) -> Result<Response, ApiError> {
    cache::answer(&state, &tenant, Key::Latest(&name, query.ready_only)).await
}

/// The highest version of a name, or the highest ready one, from the database.
pub async fn latest(
    state: &ApiState,
    tenant: &Tenant,
    name: &RegistryName,
    ready_only: bool,
) -> Result<ModelView, ApiError> {
    let found = state.stores.models.latest_model(tenant.id, name, ready_only).await?;
    let refusal = || if ready_only { none_ready(name) } else { unknown_name(name) };
    Ok(ModelView::of(found.ok_or_else(refusal)?, &tenant.name))
}

fn unknown_name(name: &RegistryName) -> ApiError {
    ApiError::new(ErrorCode::NotFound, format!("No model found with name '{name}'"))
}

fn none_ready(name: &RegistryName) -> ApiError {
    ApiError::new(ErrorCode::NotFound, format!("No ready model found with name '{name}'"))
}
