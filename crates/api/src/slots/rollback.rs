//! `POST /slots/{type}/rollback`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use ortolan_domain::model::ModelRef;
use ortolan_domain::{ErrorCode, FieldError, Slot};
use ortolan_store::{SlotAction, SlotChange, SlotEvent, SlotFile, Tenant};
use serde::Deserialize;
use utoipa::ToSchema;

use super::install::{check_and_install, kept_path};
use super::view::SlotView;
use crate::auth::{Access, AdminAccess};
use crate::error::ApiError;
use crate::extract::{SlotPath, parse_json};
use crate::openapi::{refusals, words};
use crate::state::ApiState;
use crate::upload::StagedModel;

refusals!(RollbackRefusals: NotFound, WrongState, Invalid, InvalidModel, DeadlineExceeded);

/// How many lines of the ledger are looked through.
const LINES: u32 = 100;

/// What is to be put back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackWish {
    /// The generation; when left out, the one that was served before the present one.
    #[schema(minimum = 1)]
    generation: Option<i64>,
}

/// Puts back what a slot served before
///
/// It becomes a new generation. Possible for the latest three generations, and for those that came from a version of the
/// registry that is still there. Work under way ends on the model it began with. The body may be left out. Needs scope `admin`.
#[utoipa::path(
    post, path = "/slots/{type}/rollback", tag = "slots",
    params(("type" = words::SlotName, Path)), request_body = Option<RollbackWish>,
    responses((status = 200, description = "It is served again.", body = SlotView), RollbackRefusals),
)]
pub async fn roll_back(
    State(state): State<ApiState>,
    Access { tenant, caller, .. }: AdminAccess,
    SlotPath(slot): SlotPath,
    body: Bytes,
) -> Result<Json<SlotView>, ApiError> {
    let wish: RollbackWish = if body.is_empty() { RollbackWish::default() } else { parse_json(&body)? };
    let (generation, file) = choose(&state, &tenant, slot, &wish).await?;
    let staged = fetch(&state, &tenant, slot, generation, &file).await?;
    let change = SlotChange { slot, action: SlotAction::Rollback, file, actor: caller.name().to_owned() };
    Ok(Json(check_and_install(&state, &tenant, staged, change).await?.into()))
}

async fn choose(
    state: &ApiState,
    tenant: &Tenant,
    slot: Slot,
    wish: &RollbackWish,
) -> Result<(i64, SlotFile), ApiError> {
    let events = state.stores.slots.slot_history(tenant.id, slot, LINES, 0).await?.items;
    let present = events.first().and_then(|event| event.file.as_ref()).map(|file| file.sha256.clone());
    let served = events.into_iter().filter_map(|SlotEvent { generation, file, .. }| generation.zip(file));
    let chosen = match wish.generation {
        Some(wanted) => served.into_iter().find(|(generation, _)| *generation == wanted),
        None => served.into_iter().find(|(_, file)| Some(&file.sha256) != present.as_ref()),
    };
    chosen.ok_or_else(|| match wish.generation {
        Some(wanted) => FieldError::new("generation", format!("slot '{slot}' never served generation {wanted}")).into(),
        None => ApiError::new(ErrorCode::WrongState, format!("slot '{slot}' served nothing else before")),
    })
}

/// A copy of the file: of the one that was kept, else of the version it came from.
async fn fetch(
    state: &ApiState,
    tenant: &Tenant,
    slot: Slot,
    generation: i64,
    file: &SlotFile,
) -> Result<StagedModel, ApiError> {
    let mut places = vec![kept_path(&tenant.name, slot, generation)?];
    if let Some(source) = &file.source {
        places.push(crate::models::file_path(&ModelRef::new(tenant.name.clone(), source.model_id))?);
    }
    for place in places {
        if state.blobs.facts(&place).await?.is_none() {
            continue;
        }
        let staged = StagedModel::copy_of(state, &tenant.name, &place).await?;
        if staged.stored.sha256 == file.sha256 {
            return Ok(staged);
        }
        staged.discard().await;
    }
    let detail = format!("the file of generation {generation} is not kept any more; upload it again");
    Err(ApiError::new(ErrorCode::WrongState, detail))
}
