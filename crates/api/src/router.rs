//! Which path leads to which handler, and what lies around all of them.

use axum::Router;
use ortolan_domain::ErrorCode;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::error::ApiError;
use crate::middleware::Around;
use crate::state::ApiState;
use crate::{
    cache, health, jobs, keys, me, media, model_cache, models, openapi, pages, pipelines, predict, predictions,
    quarantine, slots, tasks, tenants, v2, webhook_secret,
};

/// Where the endpoints lie.
const BASE: &str = "/api/v1";

/// The whole application. `service` are the routes that every process has (health and metrics); they need no key.
pub fn router(state: ApiState, service: Router) -> Router {
    let (endpoints, document) = endpoints().split_for_parts();
    let document = openapi::to_json(&openapi::finish(document));
    endpoints
        .merge(pages::routes(document))
        .merge(v2::routes_of_named_tenant())
        .fallback(async || ApiError::not_found("path"))
        .method_not_allowed_fallback(async || {
            ApiError::new(ErrorCode::MethodNotAllowed, ErrorCode::MethodNotAllowed.title())
        })
        .with_state(state.clone())
        .layer(Around::endpoints(state.clone()))
        // A busy service is still alive.
        .merge(service.layer(Around::vital_signs(state)))
}

/// The OpenAPI document of [`router`], as JSON: what `docs/openapi.json` must hold.
pub fn openapi_json() -> bytes::Bytes {
    openapi::to_json(&openapi::finish(endpoints().into_openapi()))
}

fn endpoints() -> OpenApiRouter<ApiState> {
    let groups = [
        tasks::routes(),
        pipelines::routes(),
        webhook_secret::routes(),
        media::routes(),
        models::routes(),
        slots::routes(),
        quarantine::routes(),
        model_cache::routes(),
        predict::routes(),
        predictions::routes(),
        jobs::routes(),
        cache::routes(),
        tenants::routes(),
        keys::routes(),
        me::routes(),
    ];
    let api = groups.into_iter().fold(OpenApiRouter::new(), OpenApiRouter::merge);
    OpenApiRouter::with_openapi(openapi::Head::openapi()).nest(BASE, api).merge(v2::routes()).merge(health::routes())
}
