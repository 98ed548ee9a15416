//! `GET /quarantine`.

use axum::Json;
use axum::extract::State;
use ortolan_domain::Timestamp;
use ortolan_store::CrashRecord;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::extract::{PageQuery, Query};
use crate::openapi::refusals;
use crate::page::PageView;
use crate::state::ApiState;

refusals!(ListRefusals:);

/// A pair in quarantine.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quarantined)]
pub struct QuarantinedView {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    id: Uuid,
    /// SHA-256 of the model's file in hexadecimal.
    model_sha256: String,
    /// SHA-256 of the input in hexadecimal.
    input_hash: String,
    /// What the model was called when it crashed last: a slot, or a version's id.
    model: String,
    /// How often it crashed.
    crashes: i64,
    /// When it crashed first.
    #[schema(value_type = String, format = DateTime)]
    first_at: Timestamp,
    /// When it crashed last.
    #[schema(value_type = String, format = DateTime)]
    last_at: Timestamp,
}

impl From<CrashRecord> for QuarantinedView {
    fn from(record: CrashRecord) -> Self {
        let CrashRecord { id, pair, model, crashes, first_at, last_at } = record;
        let (model_sha256, input_hash) = (pair.model_sha256, pair.input_hash);
        Self { id, model_sha256, input_hash, model, crashes, first_at, last_at }
    }
}

/// Lists what is in quarantine
///
/// A model and an input that crashed the model's process three times are not run together again, until the model is another one or an
/// operator lifts it. The latest first. Needs scope `read`.
#[utoipa::path(
    get, path = "/quarantine", tag = "quarantine", params(PageQuery),
    responses((status = 200, description = "One page.", body = PageView<QuarantinedView>), ListRefusals),
)]
pub async fn list_quarantine(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    Query(page): Query<PageQuery>,
) -> Result<Json<PageView<QuarantinedView>>, ApiError> {
    let wish = page.check()?;
    let found = state.stores.quarantine.quarantine(tenant.id, wish.page_size, wish.offset()).await?;
    Ok(Json(PageView::of(found, wish)))
}
