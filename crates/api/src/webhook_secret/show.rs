//! `GET /webhook-secret`.

use axum::Json;
use axum::extract::State;

use super::SecretView;
use crate::auth::{Access, AdminAccess};
use crate::error::ApiError;
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(ShowRefusals:);

/// Tells since when webhooks are signed with the present secret
///
/// The secret itself is shown only when it is made. Needs scope `admin`.
#[utoipa::path(
    get, path = "/webhook-secret", tag = "callbacks",
    responses((status = 200, description = "The present secret.", body = SecretView), ShowRefusals),
)]
pub async fn show_secret(
    State(state): State<ApiState>,
    Access { tenant, .. }: AdminAccess,
) -> Result<Json<SecretView>, ApiError> {
    let secret = state.stores.callbacks.webhook_secret(tenant.id).await?;
    Ok(Json(SecretView::from(secret.as_ref())))
}
