//! Making keys, and the only form in which they are stored.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ortolan_domain::hash;

/// What every key that is made here begins with, so that scanners for leaked secrets can find it.
const PREFIX: &str = "ort_";
/// Random bytes of a key.
const RANDOM_BYTES: usize = 32;

/// A key in clear: shown once to whoever asked for it, and kept nowhere.
#[derive(Clone)]
pub struct SecretKey(String);

/// The system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the system gave no random bytes")]
pub struct NoRandomness(#[source] getrandom::Error);

impl SecretKey {
    /// Makes a key of 256 random bits.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut bytes = [0; RANDOM_BYTES];
        getrandom::fill(&mut bytes).map_err(NoRandomness)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// The key itself, to be shown once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored instead of the key.
    pub fn hash(&self) -> String {
        hash_key(&self.0)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// SHA-256 of a key in hexadecimal. Keys are long and random, so that a slow hash would protect nothing more.
pub fn hash_key(key: &str) -> String {
    hash::sha256_hex(key.as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_differ_and_hide_themselves() {
        let (a, b) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        assert_ne!(a.expose(), b.expose());
        assert_eq!(a.expose().len(), PREFIX.len() + 43);
        assert_eq!(a.hash(), hash_key(a.expose()));
        assert!(!format!("{a:?}").contains(a.expose()));
    }
}
