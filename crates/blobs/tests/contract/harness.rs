//! Runs each test over each kind of store.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use ortolan_blobs::{Blobs, GcsCredentials, GcsSettings, Patience, S3Key, S3Settings};
use ortolan_testkit::{Bucket, BucketKind, KEY, REGION};
use tempfile::TempDir;

/// Makes a test of each function for each kind of store.
macro_rules! contract {
    ($($module:ident::$test:ident,)*) => {
        mod over_a_folder {
            $(#[tokio::test]
            async fn $test() {
                $crate::$module::$test($crate::harness::Place::folder()).await;
            })*
        }

        mod over_s3 {
            $(#[tokio::test]
            async fn $test() {
                $crate::harness::over_bucket(ortolan_testkit::BucketKind::S3, $crate::$module::$test).await;
            })*
        }

        mod over_gcs {
            $(#[tokio::test]
            async fn $test() {
                $crate::harness::over_bucket(ortolan_testkit::BucketKind::Gcs, $crate::$module::$test).await;
            })*
        }
    };
}
pub(crate) use contract;

pub(crate) const PATIENCE: Patience = Patience { timeout: Duration::from_secs(20), retries: 2 };

/// A store with nothing in it.
pub(crate) struct Place {
    pub(crate) blobs: Blobs,
    home: Home,
}

enum Home {
    Folder(TempDir),
    Bucket(BucketKind, Bucket),
}

impl Place {
    pub(crate) fn folder() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::local(&folder.path().join("made/on/demand")).unwrap();
        Self { blobs, home: Home::Folder(folder) }
    }

    /// Everything that is there, finished or not.
    pub(crate) async fn left(&self) -> Vec<String> {
        let mut left = match &self.home {
            Home::Folder(folder) => files(folder.path()),
            Home::Bucket(_, bucket) => bucket.contents().await.unwrap(),
        };
        left.iter_mut().for_each(|name| *name = name.rsplit('/').next().unwrap().to_owned());
        left
    }

    pub(crate) fn is_s3(&self) -> bool {
        matches!(self.home, Home::Bucket(BucketKind::S3, _))
    }
}

pub(crate) async fn over_bucket<T: Future<Output = ()>>(kind: BucketKind, test: impl FnOnce(Place) -> T) {
    let bucket = Bucket::create(kind).await.unwrap();
    let blobs = open(kind, bucket.server(), bucket.name());
    test(Place { blobs, home: Home::Bucket(kind, bucket) }).await;
}

pub(crate) fn open(kind: BucketKind, server: &str, bucket: &str) -> Blobs {
    let (server, bucket, key) = (server.to_owned(), bucket.to_owned(), KEY.to_owned());
    match kind {
        BucketKind::S3 => Blobs::s3(S3Settings {
            bucket,
            region: REGION.to_owned(),
            endpoint: Some(server),
            key: Some(S3Key { id: key.clone(), secret: key, session_token: None }),
            path_style: true,
            patience: PATIENCE,
        }),
        BucketKind::Gcs => Blobs::gcs(GcsSettings {
            bucket,
            base_url: Some(server),
            credentials: GcsCredentials::Token(key),
            patience: PATIENCE,
        }),
    }
    .unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.file_name().into_string().unwrap());
        }
    }
    found
}
