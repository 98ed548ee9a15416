//! Takes secrets out of texts that were not meant to hold any: the words of an error may quote an address with its
//! password, or the header of a request.

use std::borrow::Cow;

const REDACTED: &str = "[redacted]";
/// What stands before a key in the header of a request.
const BEARER: &str = "Bearer ";

/// The text without users and passwords in addresses and without bearer keys.
pub(crate) fn masked(text: &str) -> Cow<'_, str> {
    let text = match text.contains("://") {
        true => without_user_info(text),
        false => Cow::Borrowed(text),
    };
    match text.contains(BEARER) {
        true => Cow::Owned(without_bearer(&text)),
        false => text,
    }
}

fn without_user_info(text: &str) -> Cow<'_, str> {
    let (mut masked, mut rest) = (String::new(), text);
    while let Some((scheme, address)) = rest.split_once("://") {
        let (address, after) = address.split_at(address.find(ends_word).unwrap_or(address.len()));
        masked.push_str(scheme);
        masked.push_str("://");
        // The last `@` of all: a password that was not percent-encoded may hold one.
        match address.rsplit_once('@') {
            Some((_, host)) => masked.extend([REDACTED, "@", host]),
            None => masked.push_str(address),
        }
        rest = after;
    }
    if masked.is_empty() {
        return Cow::Borrowed(text);
    }
    masked.push_str(rest);
    Cow::Owned(masked)
}

fn without_bearer(text: &str) -> String {
    let mut parts = text.split(BEARER);
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let key_ends = part.find(ends_word).unwrap_or(part.len());
        masked.extend([BEARER, REDACTED, &part[key_ends..]]);
    }
    masked
}

fn ends_word(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_keys_go_and_the_rest_stays() {
        for (text, shown) in [
            (
                "cannot reach redis://:hunter2@cache:6379/0 (refused)",
                "cannot reach redis://[redacted]@cache:6379/0 (refused)",
            ),
            ("postgres://u:a@b/c@db/x and s3://k:s@b", "postgres://[redacted]@db/x and s3://[redacted]@b"),
            ("at \"https://user@host/p\", twice", "at \"https://[redacted]@host/p\", twice"),
            ("authorization: Bearer abc.def-1\nx", "authorization: Bearer [redacted]\nx"),
            ("http://ml:8001/infer by a@b", "http://ml:8001/infer by a@b"),
            ("nothing to hide", "nothing to hide"),
        ] {
            assert_eq!(masked(text), shown);
        }
    }
}
