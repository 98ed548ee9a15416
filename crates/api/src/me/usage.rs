//! `GET /usage`.

use axum::Json;
use axum::extract::State;
use ortolan_domain::TenantSlug;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(UsageRefusals:);

/// What a tenant uses, and what it may use.
#[derive(Debug, Serialize, ToSchema)]
pub struct Usage {
    /// The tenant's name.
    #[schema(value_type = String)]
    tenant: TenantSlug,
    /// Tasks that have not ended.
    open_tasks: u64,
    /// How many of them there may be.
    open_tasks_limit: u64,
    /// Stored media objects.
    media_count: u64,
    /// The largest that a media object may be.
    media_limit_bytes: u64,
    /// Uploaded models.
    slot_count: u64,
    /// Bytes of uploaded models.
    slot_bytes: u64,
}

/// Says what the tenant uses
///
/// Needs scope `read`.
#[utoipa::path(
    get, path = "/usage", tag = "account",
    responses((status = 200, description = "What is used.", body = Usage), UsageRefusals),
)]
pub async fn show_usage(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
) -> Result<Json<Usage>, ApiError> {
    let open_tasks = state.stores.tasks.open_tasks(tenant.id).await?;
    let media = state.stores.media.list_media(tenant.id, 1, 0).await?;
    let slots = state.stores.slots.slots(tenant.id).await?;
    Ok(Json(Usage {
        tenant: tenant.name.clone(),
        open_tasks,
        open_tasks_limit: state.settings().open_tasks_per_tenant,
        media_count: media.total,
        media_limit_bytes: state.settings().max_media_bytes,
        slot_count: slots.len() as u64,
        slot_bytes: slots.iter().map(|slot| slot.size_bytes).sum(),
    }))
}
