//! Digests that say what went into a result.

use serde::Serialize;
use sha2::{Digest, Sha256};

/// SHA-256 in lower-case hexadecimal, 64 characters.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    digits.map(char::from).collect()
}

/// SHA-256 of a value's canonical JSON: keys sorted, no white space. Equal values give equal hashes.
pub fn canonical_hash<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    // serde_json's own map is sorted by key, so a detour over `Value` sorts every object.
    let value = serde_json::to_value(value)?;
    Ok(sha256_hex(serde_json::to_string(&value)?.as_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let a: serde_json::Value = serde_json::from_str(r#"{"b": [1, {"y": 2, "x": 3}], "a": null}"#).unwrap();
        let b: serde_json::Value = serde_json::from_str(r#"{ "a":null,"b":[1,{"x":3,"y":2}] }"#).unwrap();
        assert_eq!(canonical_hash(&a).unwrap(), canonical_hash(&b).unwrap());
        assert_ne!(canonical_hash(&a).unwrap(), canonical_hash(&serde_json::json!({"a": 1})).unwrap());
    }

    #[test]
    fn hex_is_what_sha256sum_prints() {
        assert_eq!(sha256_hex(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
