//! Addresses of objects as clients write them: `gs://bucket/path` and `s3://bucket/path`.

use ortolan_domain::TenantSlug;

use crate::path::{ObjectPath, ObjectPathError};

/// The address of an object in a bucket; which bucket, and whose object, is not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectUrl {
    scheme: Scheme,
    bucket: String,
    path: String,
}

/// Which cloud an address belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `gs://`.
    Gs,
    /// `s3://`.
    S3,
}

/// Why an address names no object that may be used. The texts may be shown to whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectUrlError {
    /// Not of the form of an address.
    #[error("expected `gs://bucket/path` or `s3://bucket/path`")]
    Malformed,
    /// Another bucket than the one that this installation keeps its objects in.
    #[error("the bucket is not this installation's")]
    OtherBucket,
    /// The path is none, or none of the tenant's.
    #[error(transparent)]
    Path(#[from] ObjectPathError),
}

/// What addresses of objects in this store look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The store's own scheme; a folder answers to both.
    pub(crate) scheme: Option<Scheme>,
    /// The bucket's name, if it has one.
    pub(crate) bucket: Option<String>,
}

impl ObjectUrl {
    /// Reads an address. Its path is taken literally: nothing in it is percent-decoded.
    pub fn parse(text: &str) -> Result<Self, ObjectUrlError> {
        let (scheme, rest) = match text.split_once("://").ok_or(ObjectUrlError::Malformed)? {
            ("gs", rest) => (Scheme::Gs, rest),
            ("s3", rest) => (Scheme::S3, rest),
            _ => return Err(ObjectUrlError::Malformed),
        };
        let (bucket, path) = rest.split_once('/').ok_or(ObjectUrlError::Malformed)?;
        if bucket.is_empty() {
            return Err(ObjectUrlError::Malformed);
        }
        Ok(Self { scheme, bucket: bucket.to_owned(), path: path.to_owned() })
    }
}

impl Origin {
    /// The tenant's object that an address means in this store.
    pub(crate) fn resolve(&self, tenant: &TenantSlug, url: &ObjectUrl) -> Result<ObjectPath, ObjectUrlError> {
        let is_scheme = self.scheme.is_none_or(|scheme| scheme == url.scheme);
        if !is_scheme || self.bucket.as_ref() != Some(&url.bucket) {
            return Err(ObjectUrlError::OtherBucket);
        }
        Ok(ObjectPath::of_tenant(tenant, &url.path)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn resolve(scheme: Option<Scheme>, url: &str) -> Result<String, ObjectUrlError> {
        let origin = Origin { scheme, bucket: Some("ours".to_owned()) };
        let tenant = TenantSlug::parse("tenant-a").unwrap();
        Ok(origin.resolve(&tenant, &ObjectUrl::parse(url)?)?.to_string())
    }

    #[test]
    fn an_address_means_an_object_of_the_tenant_in_the_one_bucket() {
        assert_eq!(resolve(Some(Scheme::Gs), "gs://ours/tenant-a/in/1 %20.jpg").unwrap(), "tenant-a/in/1 %20.jpg");
        assert_eq!(resolve(Some(Scheme::S3), "s3://ours/models/tenant-a/x.onnx").unwrap(), "models/tenant-a/x.onnx");
        assert_eq!(resolve(None, "gs://ours/tenant-a/1").unwrap(), "tenant-a/1");
        assert_eq!(resolve(None, "s3://ours/tenant-a/1").unwrap(), "tenant-a/1");
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in [
            "",
            "tenant-a/1",
            "gs:/ours/tenant-a/1",
            "gs://ours",
            "gs:///tenant-a/1",
            "https://ours/tenant-a/1",
            "GS://ours/tenant-a/1",
        ] {
            assert_eq!(resolve(None, bad), Err(ObjectUrlError::Malformed), "{bad}");
        }
        for other in
            ["gs://theirs/tenant-a/1", "s3://ours/tenant-a/1", "gs://Ours/tenant-a/1", "gs://user@ours/tenant-a/1"]
        {
            assert_eq!(resolve(Some(Scheme::Gs), other), Err(ObjectUrlError::OtherBucket), "{other}");
        }
        let foreign = Err(ObjectUrlError::Path(ObjectPathError::NotOfTenant));
        assert_eq!(resolve(None, "gs://ours/tenant-b/1"), foreign);
        assert_eq!(resolve(None, "gs://ours/tenant-ab/1"), foreign);
        let climbing = Err(ObjectUrlError::Path(ObjectPathError::NotAName));
        assert_eq!(resolve(None, "gs://ours/tenant-a/../tenant-b/1"), climbing);
    }

    #[test]
    fn a_folder_without_a_bucket_answers_to_none() {
        let url = ObjectUrl::parse("gs://ours/tenant-a/1").unwrap();
        let origin = Origin { scheme: None, bucket: None };
        assert_eq!(origin.resolve(&TenantSlug::parse("tenant-a").unwrap(), &url), Err(ObjectUrlError::OtherBucket));
    }
}
