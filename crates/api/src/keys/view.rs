//! A key as clients see it.

use ortolan_domain::{KeyId, Scopes, Timestamp};
use ortolan_store::KeyRecord;
use serde::Serialize;
use utoipa::ToSchema;

use crate::openapi::words;

/// A key, without the key itself.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Key)]
pub struct KeyView {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    pub id: KeyId,
    /// A name for people.
    pub name: String,
    /// What it may do.
    #[schema(value_type = Vec<words::Scope>)]
    pub scopes: Scopes,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Timestamp>,
}

impl From<KeyRecord> for KeyView {
    fn from(key: KeyRecord) -> Self {
        let KeyRecord { id, name, scopes, created_at, revoked_at, .. } = key;
        Self { id, name, scopes, created_at, revoked_at }
    }
}
