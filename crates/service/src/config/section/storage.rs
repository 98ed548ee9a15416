use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::value;

/// Where objects lie.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageConfig {
    /// What kind of store it is.
    pub kind: StorageKind,
    /// Folder of a local store; [`Config::storage_root`](crate::Config::storage_root) knows the default.
    #[serde(with = "value::optional_text")]
    pub root: Option<PathBuf>,
    /// Bucket of the other kinds.
    #[serde(with = "value::optional_text")]
    pub bucket: Option<String>,
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
