//! The server itself: what it is, and whether it is well.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::PlainRefusals;
use crate::auth::AnyCaller;
use crate::error::ApiError;
use crate::state::ApiState;

/// What the server is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OipServer)]
pub struct ServerMetadata {
    /// Its name.
    name: &'static str,
    /// Its version.
    version: &'static str,
    /// What it knows beyond the protocol's core. Shared memory is not among it and never will be: it would reach across tenants.
    extensions: [&'static str; 4],
}

/// That the server runs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OipLive)]
pub struct Live {
    /// Always true.
    live: bool,
}

/// That the server can answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OipReady)]
pub struct Ready {
    /// Always true.
    ready: bool,
}

/// Says what the server is
///
/// Needs any key.
#[utoipa::path(
    get, path = "/v2", tag = "open inference protocol",
    responses((status = 200, description = "The server.", body = ServerMetadata), PlainRefusals),
)]
pub async fn server_metadata(_: AnyCaller) -> Json<ServerMetadata> {
    let extensions = ["binary_tensor_data", "model_configuration", "statistics", "model_repository(index)"];
    Json(ServerMetadata { name: "ortolan", version: env!("CARGO_PKG_VERSION"), extensions })
}

/// Says that the server runs
///
/// Needs no key.
#[utoipa::path(
    get, path = "/v2/health/live", tag = "open inference protocol", security(()),
    responses((status = 200, description = "It runs.", body = Live), PlainRefusals),
)]
pub async fn server_live() -> Json<Live> {
    Json(Live { live: true })
}

/// Says whether the server can answer
///
/// Needs no key.
#[utoipa::path(
    get, path = "/v2/health/ready", tag = "open inference protocol", security(()),
    responses((status = 200, description = "It can.", body = Ready), PlainRefusals),
)]
pub async fn server_ready(State(state): State<ApiState>) -> Result<Json<Ready>, ApiError> {
    state.stores.tasks.ping().await?;
    state.inference.health().await?;
    Ok(Json(Ready { ready: true }))
}
