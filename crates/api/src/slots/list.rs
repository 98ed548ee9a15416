//! `GET /slots`.

use axum::Json;
use axum::extract::State;
use ortolan_domain::Slot;
use ortolan_store::Page;

use super::model_path;
use super::view::SlotView;
use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::extract::{PageQuery, Query};
use crate::openapi::refusals;
use crate::page::PageView;
use crate::state::ApiState;

refusals!(ListRefusals:);

/// Lists the slots that hold a model
///
/// Needs scope `read`.
#[utoipa::path(
    get, path = "/slots", tag = "slots", params(PageQuery),
    responses((status = 200, description = "One page.", body = PageView<SlotView>), ListRefusals),
)]
pub async fn list_slots(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    Query(page): Query<PageQuery>,
) -> Result<Json<PageView<SlotView>>, ApiError> {
    let wish = page.check()?;
    let mut records = state.stores.slots.slots(tenant.id).await?;
    let mut filled = Vec::with_capacity(Slot::ALL.len());
    for slot in Slot::ALL {
        if let Some(object) = state.blobs.facts(&model_path(&tenant.name, slot)?).await? {
            let record = records.iter().position(|record| record.slot == slot).map(|at| records.swap_remove(at));
            filled.push(SlotView::of_object(slot, &object, record));
        }
    }
    let total = filled.len() as u64;
    let first = usize::try_from(wish.offset()).unwrap_or(usize::MAX);
    let items = filled.into_iter().skip(first).take(wish.page_size as usize).collect();
    Ok(Json(PageView::of(Page { items, total }, wish)))
}
