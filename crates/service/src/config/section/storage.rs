use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{MaskedUrl, Secret, value};

/// Where objects lie.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageConfig {
    /// What kind of store it is.
    pub kind: StorageKind,
    /// Folder of a local store; [`Config::storage_root`](crate::Config::storage_root) knows the default.
    #[serde(with = "value::optional_text")]
    pub root: Option<PathBuf>,
    /// Bucket of the other kinds; a local store answers to addresses of it.
    #[serde(with = "value::optional_text")]
    pub bucket: Option<String>,
    /// How long a bucket's server is waited for.
    #[serde(rename = "timeout_s", with = "value::seconds")]
    pub timeout: Duration,
    /// How often a request to it is sent again.
    pub retries: usize,
    /// Region of an S3 bucket.
    pub s3_region: String,
    /// Where S3 is, when it is not Amazon's.
    #[serde(with = "value::optional_text")]
    pub s3_endpoint: Option<MaskedUrl>,
    /// Names the bucket in the path of an address and not in its host.
    pub s3_path_style: bool,
    /// Key of S3.
    #[serde(with = "value::optional_text")]
    pub s3_access_key_id: Option<String>,
    /// Its secret; set when the key is.
    #[serde(with = "value::optional_text")]
    pub s3_secret_access_key: Option<Secret<String>>,
    /// Token of a temporary key.
    #[serde(with = "value::optional_text")]
    pub s3_session_token: Option<Secret<String>>,
    /// Where Google Cloud Storage is, when it is not Google's.
    #[serde(with = "value::optional_text")]
    pub gcs_base_url: Option<MaskedUrl>,
    /// Key file of a service account.
    #[serde(with = "value::optional_text")]
    pub gcs_service_account_file: Option<PathBuf>,
    /// Bearer token.
    #[serde(with = "value::optional_text")]
    pub gcs_token: Option<Secret<String>>,
}

/// A kind of object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageKind {
    /// A folder.
    Local,
    /// Amazon S3 and what speaks like it.
    S3,
    /// Google Cloud Storage.
    Gcs,
}
