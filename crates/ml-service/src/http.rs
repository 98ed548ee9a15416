//! The internal HTTP: the same short questions over the network, for an API in another process. Never published.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use ortolan_domain::TenantSlug;
use ortolan_domain::job::{MlError, SlotRef};
use ortolan_ml_client::{CheckModel, Inference, ProbeMedia, paths};
use serde::{Deserialize, Serialize};

type Service = State<Arc<dyn Inference>>;

/// The routes of the internal HTTP.
pub fn router(service: Arc<dyn Inference>) -> Router {
    Router::new()
        .route(paths::PROBE_MEDIA, post(probe_media))
        .route(paths::CHECK_MODEL, post(check_model))
        .route(paths::FORGET_MODEL, post(forget_model))
        .route(paths::MODEL_CACHE, get(model_cache).delete(clear_model_cache))
        .route(paths::HEALTH, get(health))
        .with_state(service)
}

#[derive(Deserialize)]
struct OfTenant {
    tenant: Option<TenantSlug>,
}

#[derive(Serialize)]
struct Removed {
    models_removed: usize,
}

async fn probe_media(State(service): Service, Json(request): Json<ProbeMedia>) -> Response {
    answer(service.probe_media(request).await)
}

async fn check_model(State(service): Service, Json(request): Json<CheckModel>) -> Response {
    answer(service.check_model(request).await)
}

async fn forget_model(State(service): Service, Json(slot): Json<SlotRef>) -> Response {
    answer(service.forget_model(slot).await)
}

async fn model_cache(State(service): Service, Query(OfTenant { tenant }): Query<OfTenant>) -> Response {
    answer(service.model_cache(tenant).await)
}

async fn clear_model_cache(State(service): Service, Query(OfTenant { tenant }): Query<OfTenant>) -> Response {
    answer(service.clear_model_cache(tenant).await.map(|models_removed| Removed { models_removed }))
}

async fn health(State(service): Service) -> Response {
    answer(service.health().await)
}

fn answer<T: Serialize>(outcome: Result<T, MlError>) -> Response {
    match outcome {
        Ok(body) => Json(body).into_response(),
        Err(error) => {
            let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, Json(error)).into_response()
        }
    }
}
