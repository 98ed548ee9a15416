//! Values that may be used but not shown.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

const REDACTED: &str = "[redacted]";

/// A value that prints and serialises as `[redacted]`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// The value itself; the caller takes care that it is not shown.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl<T> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

/// An address that prints and serialises without its user, password and query.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct MaskedUrl(String);

impl MaskedUrl {
    /// The whole address; the caller takes care that it is not shown.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What stands before the first `:`, in lower case; empty when there is none.
    pub fn scheme(&self) -> String {
        self.0.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase()).unwrap_or_default()
    }

    /// The address with `[redacted]` for user and password and for the query.
    pub fn masked(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("://") else { return self.masked_without_authority() };
        // The last `@` of all: a password that was not percent-encoded may hold `/`, `?` or `@`.
        let rest = match rest.rsplit_once('@') {
            Some((_, host)) => format!("{REDACTED}@{host}"),
            None => rest.to_owned(),
        };
        format!("{scheme}://{}", without_query(&rest))
    }

    /// A `sqlite:` address is a path; of anything else it is not known what it holds.
    fn masked_without_authority(&self) -> String {
        if self.scheme() == "sqlite" { without_query(&self.0) } else { REDACTED.to_owned() }
    }
}

fn without_query(text: &str) -> String {
    match text.split_once('?') {
        Some((address, _)) => format!("{address}?{REDACTED}"),
        None => text.to_owned(),
    }
}

impl From<String> for MaskedUrl {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for MaskedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Display for MaskedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl Serialize for MaskedUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nowhere() {
        let secret = Secret::from("hunter2".to_owned());
        assert_eq!(format!("{secret:?} {secret}"), "[redacted] [redacted]");
        assert_eq!(serde_json::json!({ "key": secret }).to_string(), r#"{"key":"[redacted]"}"#);
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn passwords_in_addresses_are_masked_however_they_are_written() {
        for (address, shown) in [
            ("postgres://u:p@db:5432/x", "postgres://[redacted]@db:5432/x"),
            ("postgres://u:a@b/c?d@db/x", "postgres://[redacted]@db/x"),
            ("postgres://db/x?password=p&sslmode=require", "postgres://db/x?[redacted]"),
            ("redis://:p@cache/0", "redis://[redacted]@cache/0"),
            ("https://key@errors.example/1", "https://[redacted]@errors.example/1"),
            ("http://ml:8001", "http://ml:8001"),
            ("sqlite:/data/ortolan.db", "sqlite:/data/ortolan.db"),
            ("u:p@db", "[redacted]"),
            ("host=db password=p", "[redacted]"),
        ] {
            let url = MaskedUrl::from(address.to_owned());
            assert_eq!(format!("{url:?}"), shown);
            assert_eq!(serde_json::json!(url), shown);
            assert_eq!(url.expose(), address);
        }
    }
}
