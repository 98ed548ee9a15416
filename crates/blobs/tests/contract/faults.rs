//! What goes wrong between us and a store, and what is said of it.

use std::time::Duration;

use ortolan_blobs::{BlobError, Blobs, GcsCredentials, GcsSettings, ObjectPath, Patience, S3Settings};
use ortolan_testkit::{Bucket, BucketKind, KEY};
use tokio::net::TcpListener;

use crate::harness::{PATIENCE, open};

#[test]
fn a_folder_that_cannot_be_made_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(matches!(Blobs::local(&file.path().join("below")), Err(BlobError::Folder { .. })));
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named_by_the_probe() {
    for kind in [BucketKind::S3, BucketKind::Gcs] {
        let server = Bucket::create(kind).await.unwrap().server().to_owned();
        let failed = open(kind, &server, "no-such-bucket").probe("1").await.unwrap_err();
        assert_eq!(failed.advice(), "make the bucket, or correct storage.bucket", "{failed:?}");
    }
}

#[tokio::test]
async fn a_store_that_never_answers_is_given_up() {
    // It accepts connections, as the kernel does for it, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let blobs = Blobs::gcs(GcsSettings {
        bucket: "b".to_owned(),
        base_url: Some(format!("http://{}", silent.local_addr().unwrap())),
        credentials: GcsCredentials::Token(KEY.to_owned()),
        patience: Patience { timeout: Duration::from_millis(200), retries: 1 },
    })
    .unwrap();
    let failed = blobs.get(&ObjectPath::parse("a/b").unwrap()).await.unwrap_err();
    assert!(matches!(failed, BlobError::Store { what: "get", .. }), "{failed:?}");
}

#[test]
fn a_key_file_that_is_not_there_is_refused_at_once() {
    let refused = Blobs::gcs(GcsSettings {
        bucket: "b".to_owned(),
        base_url: None,
        credentials: GcsCredentials::ServiceAccount("/no/such/key.json".into()),
        patience: PATIENCE,
    });
    assert!(matches!(refused, Err(BlobError::Bucket(_))));
}

#[test]
fn nothing_that_is_printed_of_a_store_holds_its_key() {
    let blobs = Blobs::s3(S3Settings {
        bucket: "b".to_owned(),
        region: "eu-central-1".to_owned(),
        endpoint: None,
        key: Some(ortolan_blobs::S3Key {
            id: "id".to_owned(),
            secret: KEY.to_owned(),
            session_token: Some(KEY.to_owned()),
        }),
        path_style: false,
        patience: PATIENCE,
    })
    .unwrap();
    assert!(!format!("{blobs:?}").contains(KEY));
}
