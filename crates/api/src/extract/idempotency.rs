//! `Idempotency-Key`.

use axum::extract::FromRequestParts;
use http::request::Parts;
use ortolan_domain::ErrorCode;
use ortolan_domain::hash::hex;
use ortolan_store::Idempotency;
use sha2::{Digest, Sha256};

use crate::error::ApiError;
use crate::state::ApiState;

/// The longest key.
const MAX_CHARS: usize = 255;

/// The client's promise that the same key means the same request.
pub struct IdempotencyKey(Option<String>);

impl FromRequestParts<ApiState> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let key = value.to_str().ok().filter(|key| is_sane(key));
        let bad =
            || ApiError::parameter("Idempotency-Key", format!("must be 1 to {MAX_CHARS} visible ASCII characters"));
        Ok(Self(Some(key.ok_or_else(bad)?.to_owned())))
    }
}

fn is_sane(key: &str) -> bool {
    (1..=MAX_CHARS).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

impl IdempotencyKey {
    /// The promise for a request that consists of these parts; the first should name the endpoint.
    pub fn promise(self, state: &ApiState, parts: &[&str]) -> Option<Idempotency> {
        let expires_at = state.now().plus(state.settings().idempotency_ttl);
        self.0.map(|key| Idempotency { key, request_hash: request_hash(parts), expires_at })
    }
}

/// The refusal of a key that came with another request before.
pub fn idempotency_conflict() -> ApiError {
    ApiError::new(ErrorCode::IdempotencyConflict, "the Idempotency-Key came with another request before")
}

fn request_hash(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    hex(&digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_requests_have_different_hashes() {
        assert_ne!(request_hash(&["ab", "c"]), request_hash(&["a", "bc"]));
        assert_eq!(request_hash(&["ab", "c"]), request_hash(&["ab", "c"]));
        assert!(is_sane("a-1") && !is_sane("") && !is_sane("a b") && !is_sane("ü") && !is_sane(&"x".repeat(256)));
    }
}
