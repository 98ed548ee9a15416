//! Buckets: what is needed to reach one, and the clients that do.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig, StaticCredentialProvider};

use crate::BlobError;

/// The longest pause between two tries of one request.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long the store is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a connection, and for the next bytes of an answer.
    pub timeout: Duration,
    /// How often a request that failed for a passing reason is sent again.
    pub retries: usize,
}

/// A bucket of Amazon S3, or of a store that speaks like it. Not `Debug`: it holds a secret.
#[derive(Clone)]
pub struct S3Settings {
    /// The bucket's name.
    pub bucket: String,
    /// The region that requests are signed for.
    pub region: String,
    /// Where the store is, when it is not Amazon's.
    pub endpoint: Option<String>,
    /// The key to sign with; without one, what the process's surroundings give: a web identity, a container's or a machine's role.
    pub key: Option<S3Key>,
    /// Names the bucket in the path of an address and not in its host.
    pub path_style: bool,
    /// How long the store is waited for.
    pub patience: Patience,
}

/// A key of S3.
#[derive(Clone)]
pub struct S3Key {
    /// Its public part.
    pub id: String,
    /// Its secret part.
    pub secret: String,
    /// The token that belongs to a temporary key.
    pub session_token: Option<String>,
}

/// A bucket of Google Cloud Storage. Not `Debug`: it holds a secret.
#[derive(Clone)]
pub struct GcsSettings {
    /// The bucket's name.
    pub bucket: String,
    /// Where the store is, when it is not Google's.
    pub base_url: Option<String>,
    /// How to prove who asks.
    pub credentials: GcsCredentials,
    /// How long the store is waited for.
    pub patience: Patience,
}

/// How to prove to Google Cloud Storage who asks.
#[derive(Clone)]
pub enum GcsCredentials {
    /// What the process's surroundings give: application default credentials, or the machine's service account.
    Surroundings,
    /// A service account's key file.
    ServiceAccount(PathBuf),
    /// A bearer token, which is sent as it is and never renewed.
    Token(String),
}

impl S3Settings {
    pub(crate) fn open(self) -> Result<Arc<dyn ObjectStore>, BlobError> {
        let Self { bucket, region, endpoint, key, path_style, patience } = self;
        let builder = match key {
            Some(S3Key { id, secret, session_token }) => {
                let builder = AmazonS3Builder::new().with_access_key_id(id).with_secret_access_key(secret);
                session_token.into_iter().fold(builder, AmazonS3Builder::with_token)
            }
            None => AmazonS3Builder::from_env(),
        };
        let builder = builder
            .with_bucket_name(bucket)
            .with_region(region)
            .with_virtual_hosted_style_request(!path_style)
            .with_client_options(patience.client(endpoint.as_deref()))
            .with_retry(patience.retry());
        let builder = endpoint.into_iter().fold(builder, AmazonS3Builder::with_endpoint);
        use_ring();
        Ok(Arc::new(builder.build().map_err(BlobError::Bucket)?))
    }
}

impl GcsSettings {
    pub(crate) fn open(self) -> Result<Arc<dyn ObjectStore>, BlobError> {
        let Self { bucket, base_url, credentials, patience } = self;
        let builder = GoogleCloudStorageBuilder::new()
            .with_bucket_name(bucket)
            .with_client_options(patience.client(base_url.as_deref()))
            .with_retry(patience.retry());
        let builder =
            base_url.into_iter().fold(builder, |builder, url| builder.with_base_url(url.trim_end_matches('/')));
        let builder = match credentials {
            GcsCredentials::Surroundings => builder,
            GcsCredentials::ServiceAccount(file) => builder.with_service_account_path(file.to_string_lossy()),
            GcsCredentials::Token(bearer) => {
                builder.with_credentials(Arc::new(StaticCredentialProvider::new(GcpCredential { bearer })))
            }
        };
        use_ring();
        Ok(Arc::new(builder.build().map_err(BlobError::Bucket)?))
    }
}

impl Patience {
    /// No limit for a request as a whole: a large object takes as long as it takes while its bytes flow.
    fn client(self, address: Option<&str>) -> ClientOptions {
        ClientOptions::new()
            .with_allow_http(address.is_some_and(|address| address.starts_with("http://")))
            .with_timeout_disabled()
            .with_connect_timeout(self.timeout)
            .with_read_timeout(self.timeout)
    }

    fn retry(self) -> RetryConfig {
        RetryConfig {
            backoff: BackoffConfig { max_backoff: LONGEST_PAUSE, ..BackoffConfig::default() },
            max_retries: self.retries,
            retry_timeout: self.timeout,
        }
    }
}

/// The HTTP client takes its cryptography from the process; whoever comes first decides, and all of ours decide for ring.
fn use_ring() {
    drop(rustls::crypto::ring::default_provider().install_default());
}
