//! `POST /v2/repository/index`.

use axum::Json;
use axum::extract::{Request, State};
use ortolan_domain::Slot;
use ortolan_domain::model::{Model, ModelStatus};
use ortolan_store::{ModelFilter, ModelSort, Order};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::PlainRefusals;
use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::extract::read_limited;
use crate::slots::model_path;
use crate::state::ApiState;

/// The most versions that are listed.
const MOST: u32 = 1_000;
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Which models are listed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = OipIndexWish)]
pub struct IndexWish {
    /// Only those that can answer.
    #[serde(default)]
    ready: bool,
}

/// A version of a model, or a slot.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OipIndexEntry)]
pub struct IndexEntry {
    /// Its name.
    name: String,
    /// Its version.
    version: String,
    /// `READY` or `UNAVAILABLE`.
    state: &'static str,
    /// Why it cannot answer.
    reason: String,
}

/// Lists the tenant's models
///
/// The registry's versions and the slots, 1,000 at most. Needs scope `read`.
#[utoipa::path(
    post, path = "/v2/repository/index", tag = "open inference protocol",
    request_body(content = Option<IndexWish>, content_type = "application/json"),
    responses((status = 200, description = "The models.", body = Vec<IndexEntry>), PlainRefusals),
)]
pub async fn repository_index(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    request: Request,
) -> Result<Json<Vec<IndexEntry>>, ApiError> {
    let wish = read_wish(request).await?;
    let filter = ModelFilter {
        statuses: if wish.ready { vec![ModelStatus::Ready] } else { Vec::new() },
        sort_by: ModelSort::Name,
        order: Order::Ascending,
        limit: MOST,
        ..ModelFilter::default()
    };
    let models = state.stores.models.list_models(tenant.id, &filter).await?.items;
    let mut entries: Vec<_> = models.iter().map(IndexEntry::from).collect();
    let records = state.stores.slots.slots(tenant.id).await?;
    for slot in Slot::ALL {
        if state.blobs.facts(&model_path(&tenant.name, slot)?).await?.is_some() {
            let record = records.iter().find(|record| record.slot == slot);
            let version = record.map_or(1, |record| record.generation).to_string();
            entries.push(IndexEntry { name: slot.to_string(), version, state: "READY", reason: String::new() });
        }
    }
    Ok(Json(entries))
}

async fn read_wish(request: Request) -> Result<IndexWish, ApiError> {
    let (parts, body) = request.into_parts();
    let bytes = read_limited(&parts.headers, body, MAX_BODY_BYTES).await?;
    if bytes.trim_ascii().is_empty() {
        return Ok(IndexWish::default());
    }
    serde_json::from_slice(&bytes).map_err(|error| ApiError::parameter("body", error.to_string()))
}

impl From<&Model> for IndexEntry {
    fn from(model: &Model) -> Self {
        let is_ready = model.status == ModelStatus::Ready;
        Self {
            name: model.name.to_string(),
            version: model.version.to_string(),
            state: if is_ready { "READY" } else { "UNAVAILABLE" },
            reason: if is_ready { String::new() } else { model.status.to_string() },
        }
    }
}
