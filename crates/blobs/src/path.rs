//! Paths of objects that cannot leave the place they belong to.

use std::fmt;

use object_store::path::Path;
use ortolan_domain::TenantSlug;

/// The longest path in bytes, and the longest segment: what every file system and object store takes.
const MAX_BYTES: usize = 1_000;
const MAX_SEGMENT_BYTES: usize = 200;

/// The path of an object: segments with `/` between, none of them empty, `.` or `..`; no backslash, no control character.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectPath(Path);

/// Why a text is no path of an object, or of none of the tenant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ObjectPathError {
    /// Nothing was given.
    #[error("the path is empty")]
    Empty,
    /// Too long for some store.
    #[error("the path or one of its segments is too long")]
    TooLong,
    /// A segment is empty, or the path begins or ends with `/`.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// A segment is `.` or `..`, or begins like the files that stores keep for themselves.
    #[error("the path has a segment that is not a name")]
    NotAName,
    /// A character that is not allowed.
    #[error("the path has a character that is not allowed")]
    Character,
    /// It lies elsewhere.
    #[error("the path does not belong to the tenant")]
    NotOfTenant,
}

impl ObjectPath {
    /// Checks a path.
    pub fn parse(text: &str) -> Result<Self, ObjectPathError> {
        if text.is_empty() {
            return Err(ObjectPathError::Empty);
        }
        if text.len() > MAX_BYTES {
            return Err(ObjectPathError::TooLong);
        }
        text.split('/').try_for_each(check_segment)?;
        // `Path::parse` keeps the text as it is, while `Path::from` would escape some of it.
        Path::parse(text).map(Self).map_err(|_| ObjectPathError::NotAName)
    }

    /// Checks a path that must lie under `{tenant}/` or `models/{tenant}/`.
    pub fn of_tenant(tenant: &TenantSlug, text: &str) -> Result<Self, ObjectPathError> {
        let path = Self::parse(text)?;
        let segments: Vec<&str> = text.split('/').collect();
        match segments[..] {
            ["models", owner, _, ..] if owner == tenant.as_str() => Ok(path),
            // A tenant called `models` has no folder of its own: it would hold the models of all.
            [owner, _, ..] if owner == tenant.as_str() && owner != "models" => Ok(path),
            _ => Err(ObjectPathError::NotOfTenant),
        }
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    /// The path as the object store takes it.
    pub(crate) const fn as_store(&self) -> &Path {
        &self.0
    }
}

fn check_segment(segment: &str) -> Result<(), ObjectPathError> {
    match segment {
        "" => Err(ObjectPathError::EmptySegment),
        "." | ".." => Err(ObjectPathError::NotAName),
        _ if segment.len() > MAX_SEGMENT_BYTES => Err(ObjectPathError::TooLong),
        // The local store takes `name#12` for an unfinished upload of `name` and hides it.
        _ if segment.chars().any(|c| c.is_control() || c == '\\' || c == '#') => Err(ObjectPathError::Character),
        _ => Ok(()),
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn paths_that_could_leave_their_place_are_refused() {
        for (bad, why) in [
            ("", ObjectPathError::Empty),
            ("/etc/passwd", ObjectPathError::EmptySegment),
            ("a//b", ObjectPathError::EmptySegment),
            ("a/", ObjectPathError::EmptySegment),
            ("a/../b", ObjectPathError::NotAName),
            ("./a", ObjectPathError::NotAName),
            ("a/..", ObjectPathError::NotAName),
            ("a\\..\\b", ObjectPathError::Character),
            ("a/b\0", ObjectPathError::Character),
            ("a/b\u{85}", ObjectPathError::Character),
            ("a/b#1", ObjectPathError::Character),
            (&"x".repeat(201), ObjectPathError::TooLong),
            (&"x/".repeat(501), ObjectPathError::TooLong),
        ] {
            assert_eq!(ObjectPath::parse(bad).unwrap_err(), why, "{bad:?}");
        }
        assert_eq!(ObjectPath::parse("a/..b/c d/ü.png").unwrap().as_str(), "a/..b/c d/ü.png");
    }

    #[test]
    fn a_tenant_reaches_only_whole_folders_of_its_own() {
        let tenant = TenantSlug::parse("tenant-a").unwrap();
        for good in ["tenant-a/media/1.png", "models/tenant-a/detect.onnx", "tenant-a/x"] {
            ObjectPath::of_tenant(&tenant, good).unwrap();
        }
        for bad in ["tenant-ab/x", "models/tenant-ab/x", "tenant-a", "models/tenant-a", "x/tenant-a/y", "Tenant-a/x"] {
            assert_eq!(ObjectPath::of_tenant(&tenant, bad).unwrap_err(), ObjectPathError::NotOfTenant, "{bad}");
        }
    }

    #[test]
    fn a_tenant_called_models_does_not_own_the_models_of_others() {
        let tenant = TenantSlug::parse("models").unwrap();
        assert!(ObjectPath::of_tenant(&tenant, "models/tenant-a/detect.onnx").is_err());
        assert!(ObjectPath::of_tenant(&tenant, "models/models/detect.onnx").is_ok());
    }
}
