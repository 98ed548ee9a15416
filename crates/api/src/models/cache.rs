//! What was answered about versions, kept for a while.
//!
//! A change is committed first and dropped from the cache then, so a value could only be stale if it was read before the
//! change and kept after the drop. A single version is therefore read once more after it was kept; lists, which nobody wants to read
//! twice, bear the tenant's present epoch in their key, which every change replaces. A cache that does not answer is a miss,
//! and nobody waits for a value to be kept.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use ortolan_domain::hash::sha256_hex;
use ortolan_domain::model::{Model, RegistryName};
use ortolan_domain::{ModelId, TenantSlug};
use ortolan_store::Tenant;
use serde::Serialize;
use uuid::Uuid;

use super::view::ModelView;
use super::{by_name, find};
use crate::error::ApiError;
use crate::state::ApiState;

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// Whose and what a kept answer is about.
pub enum Key<'a> {
    /// One version.
    Model(ModelId),
    /// The versions of a name.
    Versions(&'a RegistryName),
    /// The highest version of a name; the highest ready one with `true`.
    Latest(&'a RegistryName, bool),
}

impl Key<'_> {
    fn text(&self, tenant: &TenantSlug) -> String {
        match self {
            Self::Model(id) => format!("{tenant}:model:{id}"),
            Self::Versions(name) => format!("{tenant}:model:name:{name}:versions"),
            Self::Latest(name, false) => format!("{tenant}:model:name:{name}:latest"),
            Self::Latest(name, true) => format!("{tenant}:model:name:{name}:latest:ready"),
        }
    }

    async fn load(&self, state: &ApiState, tenant: &Tenant) -> Result<Bytes, ApiError> {
        match self {
            Self::Model(id) => json(&ModelView::of(find(state, tenant, *id).await?, &tenant.name)),
            Self::Versions(name) => json(&by_name::versions(state, tenant, name).await?),
            Self::Latest(name, ready_only) => json(&by_name::latest(state, tenant, name, *ready_only).await?),
        }
    }
}

/// Answers from the cache, or from the database, which is asked twice then.
pub async fn answer(state: &ApiState, tenant: &Tenant, key: Key<'_>) -> Result<Response, ApiError> {
    let (text, ttl) = (key.text(&tenant.name), state.settings().model_cache_ttl);
    if let Some(body) = state.cache.get(&text).await {
        return Ok(respond(body, "HIT", ttl));
    }
    let body = key.load(state, tenant).await?;
    state.cache.set(&text, body.clone(), ttl).await;
    let now = key.load(state, tenant).await;
    if now.as_ref().ok() != Some(&body) {
        state.cache.delete(&text).await;
    }
    Ok(respond(now?, "MISS", ttl))
}

/// Answers a list from the cache, or from `load`. `query` tells this list from the tenant's others.
pub async fn answer_list<T: Serialize>(
    state: &ApiState,
    tenant: &TenantSlug,
    query: &str,
    load: impl AsyncFnOnce() -> Result<T, ApiError>,
) -> Result<Response, ApiError> {
    let ttl = state.settings().model_list_cache_ttl;
    let epoch = epoch(state, tenant).await;
    let key = format!("{tenant}:model:list:{epoch}:{}", sha256_hex(query.as_bytes()));
    if let Some(body) = state.cache.get(&key).await {
        return Ok(respond(body, "HIT", ttl));
    }
    let body = json(&load().await?)?;
    state.cache.set(&key, body.clone(), ttl).await;
    Ok(respond(body, "MISS", ttl))
}

/// The word that the keys of the tenant's lists bear until something of them changes.
async fn epoch(state: &ApiState, tenant: &TenantSlug) -> String {
    let key = epoch_key(tenant);
    if let Some(epoch) = state.cache.get(&key).await {
        return String::from_utf8_lossy(&epoch).into_owned();
    }
    let epoch = Uuid::now_v7().to_string();
    state.cache.set(&key, epoch.clone().into(), state.settings().cache_ttl).await;
    epoch
}

fn epoch_key(tenant: &TenantSlug) -> String {
    format!("{tenant}:model:epoch")
}

/// Drops what is kept of a version that was made, changed or deleted, as it was called before.
pub async fn drop_model(state: &ApiState, tenant: &TenantSlug, model: &Model) {
    let name = &model.name;
    let keys = [Key::Model(model.id), Key::Versions(name), Key::Latest(name, false), Key::Latest(name, true)];
    let keys: Vec<String> = keys.iter().map(|key| key.text(tenant)).chain([epoch_key(tenant)]).collect();
    futures::future::join_all(keys.iter().map(|key| state.cache.delete(key))).await;
}

fn json<T: Serialize>(value: &T) -> Result<Bytes, ApiError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| ApiError::internal(&error))
}

fn respond(body: Bytes, word: &'static str, ttl: Duration) -> Response {
    let age = HeaderValue::try_from(format!("max-age={}", ttl.as_secs()));
    let mut response = Body::from(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(X_CACHE, HeaderValue::from_static(word));
    if let Ok(age) = age {
        headers.insert(header::CACHE_CONTROL, age);
    }
    response
}
