//! What a tenant's webhooks are signed with.

mod rotate;
mod show;

use ortolan_domain::Timestamp;
use ortolan_store::WebhookSecret;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ApiState;

/// The routes of secrets of webhooks.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(show::show_secret, rotate::rotate_secret))
}

/// What may be known of a secret at any time; the first one is made with the first webhook, unless it is asked for before.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookSecret)]
pub struct SecretView {
    /// When it was made; null while there is none.
    #[schema(value_type = Option<String>, format = DateTime)]
    created_at: Option<Timestamp>,
    /// Until when the one before it signs too.
    #[schema(value_type = Option<String>, format = DateTime)]
    previous_until: Option<Timestamp>,
}

impl From<Option<&WebhookSecret>> for SecretView {
    fn from(secret: Option<&WebhookSecret>) -> Self {
        let previous = secret.and_then(|secret| secret.previous.as_ref());
        Self { created_at: secret.map(|secret| secret.created_at), previous_until: previous.map(|(_, until)| *until) }
    }
}
