//! The name of a request in answers and logs.

use http::{HeaderMap, HeaderValue};
use uuid::Uuid;

/// The header that carries it, both ways.
pub const HEADER: &str = "x-request-id";
/// The id, for handlers.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// A client's own id is taken up to this length.
const MAX_CHARS: usize = 128;

/// The client's id when it is at most 128 visible ASCII characters, else a new one.
pub fn of_request(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(HEADER).filter(|id| is_sane(id.as_bytes()));
    given.cloned().unwrap_or_else(new)
}

fn is_sane(id: &[u8]) -> bool {
    (1..=MAX_CHARS).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

fn new() -> HeaderValue {
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = Uuid::now_v7().hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_sane_id_is_kept_and_any_other_replaced() {
        let id = |given: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_bytes(given).unwrap());
            of_request(&headers)
        };
        assert_eq!(id(b"abc-1/2"), "abc-1/2");
        for bad in [&b""[..], b"a b", b"\xff", &[b'x'; 129]] {
            assert_ne!(id(bad).as_bytes(), bad);
            assert_eq!(id(bad).len(), 36);
        }
    }
}
