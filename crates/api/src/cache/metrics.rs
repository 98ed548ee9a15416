//! `GET /cache/metrics` and `POST /cache/metrics/reset`.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Admin, OptionalTenant, Read};
use crate::error::ApiError;
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(MetricsRefusals:);
refusals!(ResetRefusals:);

/// How the caches did since the last reset.
#[derive(Debug, Serialize, ToSchema)]
pub struct CacheMetrics {
    /// The cache of predictions.
    prediction_cache: PredictionCacheMetrics,
}

/// How the cache of predictions did in this process.
#[derive(Debug, Serialize, ToSchema)]
struct PredictionCacheMetrics {
    /// Answers out of the cache.
    hits: u64,
    /// Questions whose answer was not in it.
    misses: u64,
    /// Both.
    total_requests: u64,
    /// The share of hits.
    hit_rate_percent: f64,
    /// Answers that were dropped because their model changed: it was validated, archived, deleted, or replaced in its slot.
    invalidated: u64,
    /// Whether answers are kept.
    enabled: bool,
    /// For how long.
    ttl_seconds: u64,
}

/// That the counts begin again.
#[derive(Debug, Serialize, ToSchema)]
pub struct CacheMetricsReset {
    /// Always `reset`.
    status: &'static str,
}

/// Shows hits and misses of the prediction cache
///
/// Those of the tenant; an operator who names no tenant sees the sum. Needs scope `read`.
#[utoipa::path(
    get, path = "/cache/metrics", tag = "caches",
    responses((status = 200, description = "Since the last reset.", body = CacheMetrics), MetricsRefusals),
)]
pub async fn show_cache_metrics(
    State(state): State<ApiState>,
    OptionalTenant { caller, .. }: OptionalTenant<Read>,
) -> Result<Json<CacheMetrics>, ApiError> {
    let counts = state.predictions.metrics.read(caller.tenant.as_ref().map(|tenant| tenant.id));
    let ttl = state.settings().prediction_cache;
    Ok(Json(CacheMetrics {
        prediction_cache: PredictionCacheMetrics {
            hits: counts.hits,
            misses: counts.misses,
            total_requests: counts.total(),
            hit_rate_percent: counts.hit_rate_percent(),
            invalidated: counts.dropped,
            enabled: ttl.is_some(),
            ttl_seconds: ttl.unwrap_or_default().as_secs(),
        },
    }))
}

/// Begins to count hits and misses again
///
/// Those of the tenant; an operator who names no tenant resets all. Needs scope `admin`.
#[utoipa::path(
    post, path = "/cache/metrics/reset", tag = "caches",
    responses((status = 200, description = "Reset.", body = CacheMetricsReset), ResetRefusals),
)]
pub async fn reset_cache_metrics(
    State(state): State<ApiState>,
    OptionalTenant { caller, .. }: OptionalTenant<Admin>,
) -> Result<Json<CacheMetricsReset>, ApiError> {
    state.predictions.metrics.reset(caller.tenant.as_ref().map(|tenant| tenant.id));
    Ok(Json(CacheMetricsReset { status: "reset" }))
}
