//! `GET /me`.

use axum::Json;
use ortolan_domain::{KeyId, Scopes};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::AnyCaller;
use crate::openapi::{refusals, words};
use crate::tenants::TenantView;

refusals!(MeRefusals:);

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    /// The key that was shown; `null` in the mode without keys.
    key: Option<MyKey>,
    /// What it may do.
    #[schema(value_type = Vec<words::Scope>)]
    scopes: Scopes,
    /// The tenant that requests act for; `null` for an operator who named none.
    tenant: Option<TenantView>,
}

/// The key that was shown.
#[derive(Debug, Serialize, ToSchema)]
struct MyKey {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    id: KeyId,
    /// Its name.
    name: String,
}

/// Says who asks
///
/// Any valid key will do.
#[utoipa::path(
    get, path = "/me", tag = "account",
    responses((status = 200, description = "Who asks.", body = Me), MeRefusals),
)]
pub async fn show_me(AnyCaller(caller): AnyCaller) -> Json<Me> {
    Json(Me {
        key: caller.key.as_ref().map(|key| MyKey { id: key.id, name: key.name.clone() }),
        scopes: caller.scopes,
        tenant: caller.tenant.as_ref().map(|tenant| TenantView::from(tenant.as_ref().clone())),
    })
}
