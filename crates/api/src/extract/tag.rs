//! Entity tags that a client has.

use http::{HeaderMap, header};

/// True when `If-None-Match` names the tag, which has its quotes: the client has what it would get.
pub fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim).any(|known| {
        // Whether a tag is weak does not matter here (RFC 9110, section 13.1.2).
        known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_tag_is_found_in_any_list() {
        for (sent, known) in
            [("\"a\"", true), ("\"b\", W/\"a\"", true), ("*", true), ("\"ab\"", false), ("a", false), ("", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, sent.parse().unwrap());
            assert_eq!(is_known(&headers, "\"a\""), known, "{sent}");
        }
        assert!(!is_known(&HeaderMap::new(), "\"a\""));
    }
}
