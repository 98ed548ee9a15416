//! What a request shows: a key, and the tenant it wants to act for.

use http::{HeaderMap, header};
use ortolan_domain::tenant::TenantSlugError;
use sha2::{Digest as _, Sha256};

use super::missing_key;
use crate::error::ApiError;

/// SHA-256 of a key.
pub type Digest = [u8; 32];

/// What a request shows. The key itself goes no further than this.
pub struct Credentials<'a> {
    /// SHA-256 of the key.
    pub key: Option<Digest>,
    /// A tenant's name or id.
    pub tenant: Option<&'a str>,
}

impl<'a> Credentials<'a> {
    /// Reads `Authorization`, else `X-API-Key`; and `X-Tenant-ID`.
    pub fn read(headers: &'a HeaderMap) -> Result<Self, ApiError> {
        let key = match (headers.get(header::AUTHORIZATION), headers.get("x-api-key")) {
            (Some(value), _) => Some(bearer(value.as_bytes()).ok_or_else(missing_key)?),
            (None, Some(value)) => Some(value.as_bytes()),
            (None, None) => None,
        };
        let tenant = match headers.get("x-tenant-id").map(|value| value.to_str()) {
            Some(Ok("")) => return Err(ApiError::parameter("X-Tenant-ID", TenantSlugError::Empty.to_string())),
            Some(Ok(tenant)) => Some(tenant),
            Some(Err(_)) => return Err(ApiError::not_found("tenant")),
            None => None,
        };
        Ok(Self { key: key.map(|key| Sha256::digest(key).into()), tenant })
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, key) = value.split_at_checked(7)?;
    let key = key.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !key.is_empty()).then_some(key)
}
