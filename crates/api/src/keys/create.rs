//! `POST /tenants/{id}/keys`.

use axum::Json;
use axum::extract::State;
use http::{HeaderName, HeaderValue, StatusCode, header};
use ortolan_domain::{ErrorCode, KeyId, Scope, Scopes, TenantId, Timestamp};
use ortolan_store::{Idempotency, KeyRecord, NewKey, NewKeyOutcome};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::managed_tenant;
use crate::auth::secret::SecretKey;
use crate::auth::{Admin, Caller, OptionalTenant};
use crate::error::ApiError;
use crate::extract::{IdPath, IdempotencyKey, JsonBody, idempotency_conflict};
use crate::openapi::{refusals, words};
use crate::state::ApiState;
use crate::tenants::check_label;

refusals!(CreateRefusals: NotFound, IdempotencyConflict, Invalid, UnsupportedMedia, TooLarge);

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyWish {
    /// A name for people.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What it may do; at least one of `read`, `write` and `admin`.
    #[schema(value_type = Vec<words::Scope>, min_items = 1)]
    scopes: Scopes,
}

/// A key, this once with the key itself.
#[derive(Serialize, ToSchema)]
pub struct CreatedKey {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    id: KeyId,
    /// A name for people.
    name: String,
    /// What it may do.
    #[schema(value_type = Vec<words::Scope>)]
    scopes: Scopes,
    /// The key itself. It is shown this once and kept nowhere: `null` when the same `Idempotency-Key` made it before. A key that was
    /// lost on its way is revoked, and another one made with another `Idempotency-Key`.
    key: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// Makes a key for a tenant
///
/// The key is shown this once. Needs scope `admin` in that tenant, or `operator`.
#[utoipa::path(
    post, path = "/tenants/{tenant_id}/keys", tag = "tenants", request_body = KeyWish,
    params(
        ("tenant_id" = String, Path, format = Uuid),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and request make one key, which only the first answer shows."),
    ),
    responses((status = 201, description = "Made.", body = CreatedKey), CreateRefusals),
)]
pub async fn create_key(
    State(state): State<ApiState>,
    OptionalTenant { caller, .. }: OptionalTenant<Admin>,
    IdPath(tenant_id): IdPath<TenantId>,
    idempotency: IdempotencyKey,
    JsonBody(wish): JsonBody<KeyWish>,
) -> Result<(StatusCode, [(HeaderName, HeaderValue); 1], Json<CreatedKey>), ApiError> {
    let tenant = managed_tenant(&state, &caller, tenant_id).await?;
    check_label("name", &wish.name)?;
    check_scopes(&caller, wish.scopes)?;
    let secret = SecretKey::generate().map_err(|error| ApiError::internal(&error))?;
    let key = NewKey {
        id: KeyId::generate(),
        tenant_id: Some(tenant.id),
        name: wish.name,
        scopes: wish.scopes,
        hash: secret.hash(),
        created_at: state.now(),
    };
    let request = ["POST /keys", &key.name, &key.scopes.to_text()];
    let before = store(&state, &key, idempotency.promise(&state, &request)).await?;
    if before.is_none() {
        tracing::info!(key_id = %key.id, of_tenant = %tenant.name, scopes = key.scopes.to_text(), "key made");
    }
    let answer = match before {
        Some(KeyRecord { id, name, scopes, created_at, .. }) => CreatedKey { id, name, scopes, key: None, created_at },
        None => {
            let NewKey { id, name, scopes, created_at, .. } = key;
            CreatedKey { id, name, scopes, key: Some(secret.expose().to_owned()), created_at }
        }
    };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(answer)))
}

/// Stores the key; gives the one that the same idempotency key made before, if there is one.
async fn store(state: &ApiState, key: &NewKey, promise: Option<Idempotency>) -> Result<Option<KeyRecord>, ApiError> {
    let Some(promise) = promise else {
        state.stores.tenants.create_key(key).await?;
        return Ok(None);
    };
    match state.stores.tenants.create_key_once(key, promise).await? {
        NewKeyOutcome::Created => Ok(None),
        NewKeyOutcome::Replayed(before) => Ok(Some(*before)),
        NewKeyOutcome::Conflict => Err(idempotency_conflict()),
    }
}

fn check_scopes(caller: &Caller, scopes: Scopes) -> Result<(), ApiError> {
    if scopes.iter().next().is_none() {
        return Err(ApiError::field("scopes", "must name at least one of read, write, admin"));
    }
    match scopes.iter().any(|scope| scope == Scope::Operator) {
        false => Ok(()),
        true if caller.is_operator() => Err(ApiError::field("scopes", "an operator's key belongs to no tenant")),
        true => Err(ApiError::new(ErrorCode::Forbidden, "only an operator may grant the scope 'operator'")),
    }
}
