//! What the store of objects promises, over a local folder.
#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use ortolan_blobs::{BlobError, Blobs, ObjectPath};
use ortolan_domain::hash::sha256_hex;
use tempfile::TempDir;

const PART: usize = 8 << 20;

fn bench() -> (TempDir, Blobs) {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::local(&folder.path().join("made/on/demand")).unwrap();
    (folder, blobs)
}

fn path(text: &str) -> ObjectPath {
    ObjectPath::parse(text).unwrap()
}

fn noise(size: usize) -> Bytes {
    let mut state = 1_u32;
    let byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(byte).take(size).collect()
}

/// The bytes in chunks as a socket would give them.
fn chunks(bytes: &Bytes) -> impl futures::Stream<Item = Result<Bytes, Infallible>> + use<> {
    let bytes = bytes.clone();
    let count = bytes.len().div_ceil(65_000);
    stream::iter((0..count).map(move |n| Ok(bytes.slice(n * 65_000..bytes.len().min((n + 1) * 65_000)))))
}

/// All files below a folder, finished or not.
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

#[tokio::test]
async fn what_was_put_comes_back_whatever_its_size() {
    let (_folder, blobs) = bench();
    for size in [0, 1, PART - 1, PART, PART + 1, 2 * PART + 12_345] {
        let (path, bytes) = (path(&format!("tenant-a/media/{size}")), noise(size));
        let stored = blobs.put_stream(&path, chunks(&bytes), size as u64).await.unwrap();
        assert_eq!((stored.size_bytes, stored.sha256), (size as u64, sha256_hex(&bytes)));
        assert!(blobs.get(&path).await.unwrap() == bytes, "{size}");
        assert_eq!(blobs.facts(&path).await.unwrap().unwrap().size_bytes, size as u64);
    }
}

#[tokio::test]
async fn one_byte_too_many_leaves_nothing_and_what_was_there_before() {
    let (folder, blobs) = bench();
    let (fresh, taken) = (path("a/fresh"), path("a/taken"));
    for limit in [10, PART + 10, 2 * PART] {
        let bytes = noise(limit + 1);
        let refused = blobs.put_stream(&fresh, chunks(&bytes), limit as u64).await.unwrap_err();
        assert!(matches!(refused, BlobError::TooLarge { max_bytes } if max_bytes == limit as u64));
        assert_eq!(files(folder.path()), Vec::<String>::new());
    }
    blobs.put(&taken, Bytes::from_static(b"before")).await.unwrap();
    blobs.put_stream(&taken, chunks(&noise(PART + 2)), PART as u64 + 1).await.unwrap_err();
    assert_eq!(blobs.get(&taken).await.unwrap(), "before");
    assert_eq!(files(folder.path()), ["taken"]);
}

#[tokio::test]
async fn a_stream_that_breaks_leaves_nothing() {
    let (folder, blobs) = bench();
    for size in [1_000, PART + 1_000] {
        let whole = chunks(&noise(size)).map_err(|never| match never {});
        let broken = whole.chain(stream::once(async { Err(std::io::Error::other("connection reset")) }));
        let failed = blobs.put_stream(&path("a/broken"), broken, u64::MAX).await.unwrap_err();
        assert!(matches!(failed, BlobError::Source(_)), "{failed:?}");
        assert_eq!(files(folder.path()), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing() {
    let (folder, blobs) = bench();
    let endless = chunks(&noise(PART + 1_000)).chain(stream::pending());
    let target = path("a/abandoned");
    let upload = blobs.put_stream(&target, endless, u64::MAX);
    assert!(tokio::time::timeout(Duration::from_millis(500), upload).await.is_err());
    let gone = async {
        while !files(folder.path()).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
}

#[tokio::test]
async fn a_range_is_read_without_the_rest() {
    let (_folder, blobs) = bench();
    let (path, bytes) = (path("a/b"), noise(100_000));
    blobs.put(&path, bytes.clone()).await.unwrap();
    for range in [None, Some(0..1), Some(99_999..100_000), Some(500..70_000), Some(90_000..200_000)] {
        let (facts, found) = blobs.stream(&path, range.clone()).await.unwrap();
        let found: Vec<Bytes> = found.try_collect().await.unwrap();
        let range = range.unwrap_or(0..u64::MAX);
        let expected = bytes.slice(range.start as usize..bytes.len().min(range.end as usize));
        assert_eq!(found.concat(), expected);
        assert_eq!(facts.size_bytes, 100_000);
    }
    assert!(blobs.stream(&path, Some(100_000..100_001)).await.is_err());
}

#[tokio::test]
async fn an_object_over_the_limit_is_refused_unread() {
    let (_folder, blobs) = bench();
    blobs.put(&path("a/b"), noise(11)).await.unwrap();
    assert_eq!(blobs.get_limited(&path("a/b"), 11).await.unwrap().len(), 11);
    let refused = blobs.get_limited(&path("a/b"), 10).await.unwrap_err();
    assert!(matches!(refused, BlobError::TooLarge { max_bytes: 10 }));
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_not_there() {
    let (_folder, blobs) = bench();
    let absent = path("a/b");
    assert!(matches!(blobs.get(&absent).await, Err(BlobError::NotFound(path)) if path == absent));
    assert!(matches!(blobs.stream(&absent, None).await, Err(BlobError::NotFound(_))));
    assert!(matches!(blobs.rename(&absent, &path("a/c")).await, Err(BlobError::NotFound(_))));
    assert_eq!(blobs.facts(&absent).await.unwrap(), None);
    assert!(!blobs.delete(&absent).await.unwrap());
    assert_eq!(blobs.list(&path("a"), 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_rename_replaces_and_a_delete_removes() {
    let (folder, blobs) = bench();
    let (old, new) = (path("uploads/1"), path("models/tenant-a/detect.onnx"));
    blobs.put(&new, Bytes::from_static(b"old model")).await.unwrap();
    let before = blobs.facts(&new).await.unwrap().unwrap();
    blobs.put(&old, Bytes::from_static(b"new model!")).await.unwrap();
    blobs.rename(&old, &new).await.unwrap();
    assert_eq!(blobs.get(&new).await.unwrap(), "new model!");
    assert_ne!(blobs.facts(&new).await.unwrap().unwrap().etag, before.etag);
    assert!(blobs.delete(&new).await.unwrap());
    assert_eq!(files(folder.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_list_keeps_to_its_folder_and_its_limit() {
    let (_folder, blobs) = bench();
    for name in ["tenant-a/1", "tenant-a/x/2", "tenant-a/ü b%", "tenant-ab/3", "other/4"] {
        blobs.put(&path(name), Bytes::from_static(b"x")).await.unwrap();
    }
    let found = blobs.list(&path("tenant-a"), 10).await.unwrap();
    let mut names: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["tenant-a/1", "tenant-a/x/2", "tenant-a/ü b%"]);
    assert_eq!(blobs.list(&path("tenant-a"), 2).await.unwrap().len(), 2);
}

#[test]
fn a_folder_that_cannot_be_made_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(matches!(Blobs::local(&file.path().join("below")), Err(BlobError::Folder { .. })));
}
