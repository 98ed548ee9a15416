//! Buckets of real object store servers, one for each test.

use anyhow::{Context, Result, ensure};
use reqwest::Client;

use crate::operator;

/// The region that requests to the emulators are signed for.
pub const REGION: &str = "us-east-1";
/// A key and a token that the emulators take, as they take any.
pub const KEY: &str = "test-key-of-no-account";

/// Which store a bucket is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketKind {
    /// What speaks like Amazon S3.
    S3,
    /// What speaks like Google Cloud Storage.
    Gcs,
}

/// A fresh bucket on the server that `./dev test` started.
pub struct Bucket {
    kind: BucketKind,
    server: String,
    name: String,
    client: Client,
}

/// One request that a store was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketRequest {
    /// The HTTP method.
    pub method: String,
    /// The object's path within the bucket; empty when the bucket itself was meant.
    pub path: String,
    /// What stood after the `?`.
    pub query: String,
}

impl Bucket {
    /// Makes a bucket.
    pub async fn create(kind: BucketKind) -> Result<Self> {
        let variable = match kind {
            BucketKind::S3 => "ORTOLAN_TEST_S3_URL",
            BucketKind::Gcs => "ORTOLAN_TEST_GCS_URL",
        };
        let server = std::env::var(variable)
            .with_context(|| format!("{variable} names no object store: `./dev test` starts one and sets it"))?;
        let bucket =
            Self { kind, server, name: format!("test{}", uuid::Uuid::now_v7().simple()), client: operator::client()? };
        let made = bucket.client.put(bucket.url()).send().await?;
        ensure!(made.status().is_success(), "the bucket could not be made: {}", made.status());
        Ok(bucket)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address of the server it is on.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The variables with which a process keeps its objects here.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let (bucket, server, key) = (self.name.clone(), self.server.clone(), KEY.to_owned());
        match self.kind {
            BucketKind::S3 => vec![
                ("S3_BUCKET", bucket),
                ("AWS_ENDPOINT_URL", server),
                ("AWS_REGION", REGION.to_owned()),
                ("AWS_ACCESS_KEY_ID", key.clone()),
                ("AWS_SECRET_ACCESS_KEY", key),
                ("ORTOLAN_STORAGE__S3_PATH_STYLE", "true".to_owned()),
            ],
            BucketKind::Gcs => {
                vec![
                    ("GCS_BUCKET", bucket),
                    ("ORTOLAN_STORAGE__GCS_BASE_URL", server),
                    ("ORTOLAN_STORAGE__GCS_TOKEN", key),
                ]
            }
        }
    }

    /// Puts an object as somebody else would, past the product.
    pub async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<()> {
        let put = self.client.put(format!("{}/{path}", self.url())).bearer_auth(KEY).body(bytes).send().await?;
        ensure!(put.status().is_success(), "{path} could not be put: {}", put.status());
        Ok(())
    }

    /// Everything that was asked of the bucket so far.
    pub async fn requests(&self) -> Result<Vec<BucketRequest>> {
        let url = format!("{}/requests/{}", self.server, self.name);
        let listed: Vec<[String; 3]> = self.client.get(url).send().await?.error_for_status()?.json().await?;
        Ok(listed.into_iter().map(|[method, path, query]| BucketRequest { method, path, query }).collect())
    }

    /// How often the object at `path` was asked for with `method`.
    pub async fn count(&self, method: &str, path: &str) -> Result<usize> {
        Ok(self.requests().await?.iter().filter(|request| request.method == method && request.path == path).count())
    }

    /// The names of all objects, and of those that are still being put in parts.
    pub async fn contents(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for of in ["list-type=2", "uploads"] {
            let listed =
                self.client.get(format!("{}?{of}", self.url())).send().await?.error_for_status()?.text().await?;
            let keys = listed.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
            names.extend(keys.map(|(key, _)| key.to_owned()));
        }
        Ok(names)
    }

    fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }
}
