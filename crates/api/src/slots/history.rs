//! `GET /slots/{type}/history`.

use axum::Json;
use axum::extract::State;
use ortolan_domain::{ModelId, Timestamp};
use ortolan_store::{SlotEvent, SlotSource};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::extract::{PageQuery, Query, SlotPath};
use crate::openapi::{refusals, words};
use crate::page::PageView;
use crate::state::ApiState;

refusals!(HistoryRefusals: Invalid);

/// A line of the ledger: from `at` on, until the next line, the slot served this.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SlotEvent)]
pub struct SlotEventView {
    /// Counts the lines, from 1.
    entry: i64,
    /// `upload`, `promote`, `rollback` or `empty`.
    action: &'static str,
    /// The generation that began; `null` when the slot was emptied.
    generation: Option<i64>,
    /// SHA-256 of the file in hexadecimal.
    sha256: Option<String>,
    /// Size of the file.
    size_bytes: Option<u64>,
    /// The version of the registry that it came from.
    model: Option<SourceView>,
    /// The name of the key that did it.
    promoted_by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

/// A version of the registry, as it was called then. It may be gone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SlotSource)]
pub struct SourceView {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    id: ModelId,
    /// Its name.
    name: String,
    /// Its version.
    version: String,
}

impl From<SlotSource> for SourceView {
    fn from(source: SlotSource) -> Self {
        Self { id: source.model_id, name: source.name.to_string(), version: source.version.to_string() }
    }
}

impl From<SlotEvent> for SlotEventView {
    fn from(event: SlotEvent) -> Self {
        let SlotEvent { entry, action, generation, file, actor, at } = event;
        let (sha256, size_bytes, source) =
            file.map_or((None, None, None), |file| (Some(file.sha256), Some(file.size_bytes), file.source));
        let model = source.map(SourceView::from);
        Self { entry, action: action.as_str(), generation, sha256, size_bytes, model, promoted_by: actor, at }
    }
}

/// Tells what a slot served when
///
/// The latest first. Nothing is ever taken out of this list. Needs scope `read`.
#[utoipa::path(
    get, path = "/slots/{type}/history", tag = "slots",
    params(("type" = words::SlotName, Path), PageQuery),
    responses((status = 200, description = "One page.", body = PageView<SlotEventView>), HistoryRefusals),
)]
pub async fn slot_history(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    SlotPath(slot): SlotPath,
    Query(page): Query<PageQuery>,
) -> Result<Json<PageView<SlotEventView>>, ApiError> {
    let wish = page.check()?;
    let found = state.stores.slots.slot_history(tenant.id, slot, wish.page_size, wish.offset()).await?;
    Ok(Json(PageView::of(found, wish)))
}
