//! Tenants and what an API key may do.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A tenant's name: 1 to 100 of `a-z`, `0-9`, `-`, `_`. It is the `{tenant}` of object paths and cache keys, so it never changes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TenantSlug(String);

/// Why a text is no tenant name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TenantSlugError {
    /// Nothing was given.
    #[error("tenant_id is required")]
    Empty,
    /// More than 100 characters.
    #[error("a tenant name has at most 100 characters, this one has {0}")]
    TooLong(usize),
    /// A character outside of the allowed ones.
    #[error("a tenant name consists of a-z, 0-9, '-' and '_'; {0:?} is none of them")]
    Character(char),
}

impl TenantSlug {
    /// Checks a name.
    pub fn parse(text: &str) -> Result<Self, TenantSlugError> {
        if text.is_empty() {
            return Err(TenantSlugError::Empty);
        }
        if let Some(other) = text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '_')) {
            return Err(TenantSlugError::Character(other));
        }
        if text.len() > 100 {
            return Err(TenantSlugError::TooLong(text.len()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl<'de> Deserialize<'de> for TenantSlug {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// One thing a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look at what the tenant has.
    Read,
    /// Upload, submit, cancel, retry, delete.
    Write,
    /// Manage the tenant's keys, slots and caches.
    Admin,
    /// The whole installation: tenants and their keys.
    Operator,
}

impl Scope {
    /// All scopes, the weakest first.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Admin, Self::Operator];

    /// The word used in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
            Self::Operator => "operator",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// The scopes of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// True when the key has `scope` itself; scopes do not imply each other, except that an operator may do anything.
    pub fn allows(self, scope: Scope) -> bool {
        let bit = |scope: Scope| 1 << scope as u8;
        self.0 & (bit(scope) | bit(Scope::Operator)) != 0
    }

    /// The scopes that are set, the weakest first.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & (1 << *scope as u8) != 0)
    }

    /// The words with commas between, as the database keeps them.
    pub fn to_text(self) -> String {
        self.iter().map(Scope::as_str).collect::<Vec<_>>().join(",")
    }

    /// Reads words with commas between; `None` when one of them is unknown.
    pub fn parse(text: &str) -> Option<Self> {
        text.split(',').filter(|word| !word.is_empty()).map(Scope::parse).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | 1 << scope as u8))
    }
}

impl Serialize for Scopes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Scope>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_that_could_leave_their_folder_are_refused() {
        for bad in ["", "..", "a/b", "a\\b", "A", "a b", "ü", "a\0", &"x".repeat(101)] {
            assert!(TenantSlug::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(TenantSlug::parse("tenant-001_b").unwrap().as_str(), "tenant-001_b");
        assert_eq!(TenantSlug::parse("").unwrap_err().to_string(), "tenant_id is required");
    }

    #[test]
    fn a_scope_allows_itself_and_an_operator_everything() {
        let scopes = Scopes::parse("read,write").unwrap();
        assert!(scopes.allows(Scope::Read) && scopes.allows(Scope::Write) && !scopes.allows(Scope::Admin));
        assert!(!scopes.allows(Scope::Operator));
        assert!(Scopes::from_iter([Scope::Operator]).allows(Scope::Admin));
        assert_eq!(Scopes::parse("read,root"), None);
        assert_eq!(scopes.to_text(), "read,write");
    }
}
