//! The Open Inference Protocol with the binary tensor extension, for clients written by others.
//!
//! A model's name is the tenant's registry name, else its slot of that name. An operator names the tenant in the base path,
//! `/t/{tenant}/v2`. Errors are `{"error": …}`; the edge writes them so for every path of the protocol.
//!
//! Invariants: the raw body is read whatever its content type, and never beyond its limit; what all requests hold at once is
//! bounded too; tensors are not copied between the body and the ML service. Shared memory is not offered: it would let one tenant
//! read another's.

mod body;
mod config;
mod error;
mod infer;
mod metadata;
mod name;
mod outputs;
mod repository;
mod server;
mod stats;

use axum::Router;
use axum::extract::{RawPathParams, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use body::BodyBudget;
pub use error::{OipErrorBody, is_of_protocol, render};

use crate::error::ApiError;
use crate::state::ApiState;

/// The routes of the protocol.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(server::server_metadata))
        .route("/v2/", axum::routing::get(server::server_metadata))
        .routes(routes!(server::server_live))
        .routes(routes!(server::server_ready))
        .routes(routes!(metadata::model_metadata))
        .routes(routes!(metadata::version_metadata))
        .routes(routes!(metadata::model_ready))
        .routes(routes!(metadata::version_ready))
        .routes(routes!(infer::infer_model))
        .routes(routes!(infer::infer_version))
        .routes(routes!(config::model_config))
        .routes(routes!(config::version_config))
        .routes(routes!(stats::model_stats))
        .routes(routes!(stats::version_stats))
        .routes(routes!(repository::repository_index))
}

/// The same below `/t/{tenant}`, for operators.
pub fn routes_of_named_tenant() -> Router<ApiState> {
    let (routes, _) = routes().split_for_parts();
    Router::new().nest("/t/{tenant}", routes.layer(from_fn(name_tenant)))
}

/// The path says for whom an operator asks, as `X-Tenant-ID` does elsewhere.
async fn name_tenant(params: RawPathParams, mut request: Request, next: Next) -> Response {
    let tenant = params.iter().find(|(name, _)| *name == "tenant").map(|(_, tenant)| HeaderValue::from_str(tenant));
    match tenant {
        Some(Ok(tenant)) => {
            request.headers_mut().insert("x-tenant-id", tenant);
            next.run(request).await
        }
        _ => ApiError::not_found("tenant").into_response(),
    }
}
