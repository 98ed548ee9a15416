//! The object store that the configuration means.

use ortolan_blobs::{BlobError, Blobs, GcsCredentials, GcsSettings, Patience, S3Key, S3Settings};
use ortolan_service::config::{Config, Secret, StorageConfig, StorageKind};

/// Opens the object store. A bucket's server is not asked anything yet.
pub fn blobs(config: &Config) -> Result<Blobs, BlobError> {
    let storage = &config.storage;
    match storage.kind {
        StorageKind::Local => {
            let folder = Blobs::local(&config.storage_root())?;
            Ok(storage.bucket.as_deref().map_or(folder.clone(), |bucket| folder.named(bucket)))
        }
        StorageKind::S3 => Blobs::s3(s3(storage)),
        StorageKind::Gcs => Blobs::gcs(gcs(storage)),
    }
}

/// Where objects lie, in words; nothing secret.
pub fn place(config: &Config) -> String {
    let bucket = config.storage.bucket.as_deref().unwrap_or_default();
    match config.storage.kind {
        StorageKind::Local => config.storage_root().display().to_string(),
        StorageKind::S3 => format!("s3://{bucket}"),
        StorageKind::Gcs => format!("gs://{bucket}"),
    }
}

fn s3(storage: &StorageConfig) -> S3Settings {
    let key = storage.s3_access_key_id.clone().zip(exposed(storage.s3_secret_access_key.as_ref()));
    S3Settings {
        bucket: storage.bucket.clone().unwrap_or_default(),
        region: storage.s3_region.clone(),
        endpoint: storage.s3_endpoint.as_ref().map(|url| url.expose().to_owned()),
        key: key.map(|(id, secret)| S3Key { id, secret, session_token: exposed(storage.s3_session_token.as_ref()) }),
        path_style: storage.s3_path_style,
        patience: patience(storage),
    }
}

fn gcs(storage: &StorageConfig) -> GcsSettings {
    let credentials = match (exposed(storage.gcs_token.as_ref()), storage.gcs_service_account_file.clone()) {
        (Some(token), _) => GcsCredentials::Token(token),
        (None, Some(file)) => GcsCredentials::ServiceAccount(file),
        (None, None) => GcsCredentials::Surroundings,
    };
    GcsSettings {
        bucket: storage.bucket.clone().unwrap_or_default(),
        base_url: storage.gcs_base_url.as_ref().map(|url| url.expose().to_owned()),
        credentials,
        patience: patience(storage),
    }
}

fn patience(storage: &StorageConfig) -> Patience {
    Patience { timeout: storage.timeout, retries: storage.retries }
}

fn exposed(secret: Option<&Secret<String>>) -> Option<String> {
    secret.map(|secret| secret.expose().clone())
}
