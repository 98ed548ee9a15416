//! `DELETE /quarantine` and `DELETE /quarantine/{id}`.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Access, OperatorTenant};
use crate::error::ApiError;
use crate::extract::{IdPath, QuarantineId};
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(LiftRefusals: NotFound);
refusals!(LiftAllRefusals:);

/// Lets a pair run again
///
/// Its crashes are forgotten. Needs scope `operator`, and the tenant in `X-Tenant-ID`.
#[utoipa::path(
    delete, path = "/quarantine/{quarantine_id}", tag = "quarantine",
    params(("quarantine_id" = String, Path, format = Uuid)),
    responses((status = 204, description = "It may run again."), LiftRefusals),
)]
pub async fn lift_one(
    State(state): State<ApiState>,
    Access { tenant, .. }: OperatorTenant,
    IdPath(QuarantineId(id)): IdPath<QuarantineId>,
) -> Result<StatusCode, ApiError> {
    match state.stores.quarantine.lift_quarantine(tenant.id, id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::not_found("pair in quarantine")),
    }
}

/// How many were let go.
#[derive(Debug, Serialize, ToSchema)]
pub struct Lifted {
    /// How many pairs may run again.
    lifted: u64,
}

/// Lets everything in quarantine run again
///
/// Needs scope `operator`, and the tenant in `X-Tenant-ID`.
#[utoipa::path(
    delete, path = "/quarantine", tag = "quarantine",
    responses((status = 200, description = "They may run again.", body = Lifted), LiftAllRefusals),
)]
pub async fn lift_all(
    State(state): State<ApiState>,
    Access { tenant, .. }: OperatorTenant,
) -> Result<Json<Lifted>, ApiError> {
    Ok(Json(Lifted { lifted: state.stores.quarantine.lift_all_quarantine(tenant.id).await? }))
}
