//! `POST /webhook-secret`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::{HeaderName, HeaderValue, StatusCode, header};
use ortolan_outbound::Secret;
use serde::Serialize;
use utoipa::ToSchema;

use super::SecretView;
use crate::auth::{Access, AdminAccess};
use crate::error::ApiError;
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(RotateRefusals:);

/// How long the secret before signs too, so that receivers can change over.
const PREVIOUS_SIGNS: Duration = Duration::from_secs(24 * 3600);

/// A secret, this once with the secret itself.
#[derive(Serialize, ToSchema)]
pub struct NewWebhookSecret {
    /// The secret, `whsec_` and base64. It is shown this once.
    secret: String,
    #[serde(flatten)]
    view: SecretView,
}

/// Makes a new secret that webhooks are signed with
///
/// It is shown this once. For 24 hours webhooks carry the signature of the secret before it as well. Needs scope `admin`.
#[utoipa::path(
    post, path = "/webhook-secret", tag = "callbacks",
    responses((status = 201, description = "Made.", body = NewWebhookSecret), RotateRefusals),
)]
pub async fn rotate_secret(
    State(state): State<ApiState>,
    Access { tenant, .. }: AdminAccess,
) -> Result<(StatusCode, [(HeaderName, HeaderValue); 1], Json<NewWebhookSecret>), ApiError> {
    let secret = Secret::generate().map_err(|error| ApiError::internal(&error))?.expose();
    let now = state.now();
    let kept = state.stores.callbacks.rotate_webhook_secret(tenant.id, &secret, now.plus(PREVIOUS_SIGNS), now).await?;
    tracing::info!("secret of webhooks made");
    let answer = NewWebhookSecret { secret, view: SecretView::from(Some(&kept)) };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(answer)))
}
