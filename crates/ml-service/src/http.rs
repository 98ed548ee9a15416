//! The internal HTTP: the same short questions over the network, for an API in another process. Never published.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use ortolan_domain::job::MlError;
use ortolan_domain::model::ModelRef;
use ortolan_domain::{ErrorCode, TenantSlug};
use ortolan_ml_client::{
    AnnotatePicture, CheckModel, Inference, MAX_FINDINGS_BYTES, OfModel, ProbeMedia, Unloaded, frame, paths,
};
use serde::{Deserialize, Serialize};

type Service = State<Arc<dyn Inference>>;

/// Room for what is said of tensors or findings, beside them.
const HEAD_BYTES: usize = 1 << 20;

/// The routes of the internal HTTP; the tensors of one request may have so many bytes together.
pub fn router(service: Arc<dyn Inference>, most_tensor_bytes: usize) -> Router {
    let infer = post(infer).layer(DefaultBodyLimit::max(most_tensor_bytes.saturating_add(HEAD_BYTES)));
    let annotate = post(annotate_picture).layer(DefaultBodyLimit::max(MAX_FINDINGS_BYTES + HEAD_BYTES));
    Router::new()
        .route(paths::INFER, infer)
        .route(paths::ANNOTATE_PICTURE, annotate)
        .route(paths::DESCRIBE_MODEL, post(describe_model))
        .route(paths::LOAD_MODEL, post(load_model))
        .route(paths::UNLOAD_MODEL, post(unload_model))
        .route(paths::MODEL_STATS, get(model_stats))
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

async fn annotate_picture(State(service): Service, Json(request): Json<AnnotatePicture>) -> Response {
    let content_type = request.writing.format.content_type();
    match service.annotate_picture(request).await {
        Ok(file) => ([(header::CONTENT_TYPE, content_type)], file).into_response(),
        Err(error) => failed(error),
    }
}

async fn check_model(State(service): Service, Json(request): Json<CheckModel>) -> Response {
    answer(service.check_model(request).await)
}

async fn forget_model(State(service): Service, Json(model): Json<ModelRef>) -> Response {
    answer(service.forget_model(model).await)
}

async fn infer(State(service): Service, body: Bytes) -> Response {
    let request = match frame::unpack_request(&body) {
        Ok(request) => request,
        Err(error) => return failed(MlError::new(ErrorCode::MalformedRequest, error.to_string())),
    };
    drop(body);
    let packed = match service.infer(request).await {
        Ok(answer) => frame::pack_answer(answer),
        Err(error) => return failed(error),
    };
    match packed {
        Ok(pieces) => ([(header::CONTENT_TYPE, frame::CONTENT_TYPE)], Body::new(pieces)).into_response(),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "an answer cannot be written");
            failed(MlError::new(ErrorCode::Internal, "the answer could not be written"))
        }
    }
}

async fn describe_model(State(service): Service, Json(OfModel { model, sha256 }): Json<OfModel>) -> Response {
    answer(service.describe_model(model, sha256).await)
}

async fn load_model(State(service): Service, Json(OfModel { model, sha256 }): Json<OfModel>) -> Response {
    answer(service.load_model(model, sha256).await)
}

async fn unload_model(State(service): Service, Json(model): Json<ModelRef>) -> Response {
    answer(service.unload_model(model).await.map(|was_loaded| Unloaded { was_loaded }))
}

async fn model_stats(State(service): Service, Query(OfTenant { tenant }): Query<OfTenant>) -> Response {
    answer(service.model_stats(tenant).await)
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
        Err(error) => failed(error),
    }
}

pub(crate) fn failed(error: MlError) -> Response {
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(error)).into_response()
}
