//! What the store of objects promises.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use ortolan_blobs::{BlobError, ObjectPath};
use ortolan_domain::hash::sha256_hex;

use crate::harness::Place;

const PART: usize = 8 << 20;

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

pub(crate) async fn what_was_put_comes_back_whatever_its_size(place: Place) {
    let blobs = &place.blobs;
    for size in [0, 1, PART - 1, PART, PART + 1, 2 * PART + 12_345] {
        let (path, bytes) = (path(&format!("tenant-a/media/{size}")), noise(size));
        let stored = blobs.put_stream(&path, chunks(&bytes), size as u64).await.unwrap();
        assert_eq!((stored.size_bytes, stored.sha256), (size as u64, sha256_hex(&bytes)));
        assert!(blobs.get(&path).await.unwrap() == bytes, "{size}");
        assert_eq!(blobs.facts(&path).await.unwrap().unwrap().size_bytes, size as u64);
    }
}

pub(crate) async fn one_byte_too_many_leaves_nothing_and_what_was_there_before(place: Place) {
    let blobs = &place.blobs;
    let (fresh, taken) = (path("a/fresh"), path("a/taken"));
    for limit in [10, PART + 10, 2 * PART] {
        let bytes = noise(limit + 1);
        let refused = blobs.put_stream(&fresh, chunks(&bytes), limit as u64).await.unwrap_err();
        assert!(matches!(refused, BlobError::TooLarge { max_bytes } if max_bytes == limit as u64));
        assert_eq!(place.left().await, Vec::<String>::new());
    }
    blobs.put(&taken, Bytes::from_static(b"before")).await.unwrap();
    blobs.put_stream(&taken, chunks(&noise(PART + 2)), PART as u64 + 1).await.unwrap_err();
    assert_eq!(blobs.get(&taken).await.unwrap(), "before");
    assert_eq!(place.left().await, ["taken"]);
}

pub(crate) async fn a_stream_that_breaks_leaves_nothing(place: Place) {
    let blobs = &place.blobs;
    for size in [1_000, PART + 1_000] {
        let whole = chunks(&noise(size)).map_err(|never| match never {});
        let broken = whole.chain(stream::once(async { Err(std::io::Error::other("connection reset")) }));
        let failed = blobs.put_stream(&path("a/broken"), broken, u64::MAX).await.unwrap_err();
        assert!(matches!(failed, BlobError::Source(_)), "{failed:?}");
        assert_eq!(place.left().await, Vec::<String>::new());
    }
}

pub(crate) async fn a_client_that_goes_away_leaves_nothing(place: Place) {
    let blobs = &place.blobs;
    let endless = chunks(&noise(PART + 1_000)).chain(stream::pending());
    let target = path("a/abandoned");
    let upload = blobs.put_stream(&target, endless, u64::MAX);
    tokio::select! {
        _ = upload => panic!("an endless stream ended"),
        // Once the first part is on its way.
        () = async { while place.left().await.is_empty() { tokio::time::sleep(Duration::from_millis(5)).await } } => {}
    }
    let gone = async {
        while !place.left().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
}

pub(crate) async fn a_range_is_read_without_the_rest(place: Place) {
    let blobs = &place.blobs;
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

pub(crate) async fn an_object_over_the_limit_is_refused_unread(place: Place) {
    let blobs = &place.blobs;
    blobs.put(&path("a/b"), noise(11)).await.unwrap();
    assert_eq!(blobs.get_limited(&path("a/b"), 11).await.unwrap().len(), 11);
    let refused = blobs.get_limited(&path("a/b"), 10).await.unwrap_err();
    assert!(matches!(refused, BlobError::TooLarge { max_bytes: 10 }));
}

pub(crate) async fn what_is_not_there_is_said_to_be_not_there(place: Place) {
    let blobs = &place.blobs;
    let absent = path("a/b");
    assert!(matches!(blobs.get(&absent).await, Err(BlobError::NotFound(path)) if path == absent));
    assert!(matches!(blobs.stream(&absent, None).await, Err(BlobError::NotFound(_))));
    assert!(matches!(blobs.rename(&absent, &path("a/c")).await, Err(BlobError::NotFound(_))));
    assert_eq!(blobs.facts(&absent).await.unwrap(), None);
    // S3 does not tell.
    assert_eq!(blobs.delete(&absent).await.unwrap(), place.is_s3());
    assert_eq!(blobs.list(&path("a"), 10).await.unwrap(), []);
}

pub(crate) async fn a_rename_replaces_and_a_delete_removes(place: Place) {
    let blobs = &place.blobs;
    let (old, new) = (path("uploads/1"), path("models/tenant-a/detect.onnx"));
    blobs.put(&new, Bytes::from_static(b"old model")).await.unwrap();
    let before = blobs.facts(&new).await.unwrap().unwrap();
    blobs.put(&old, Bytes::from_static(b"new model!")).await.unwrap();
    blobs.rename(&old, &new).await.unwrap();
    assert_eq!(blobs.get(&new).await.unwrap(), "new model!");
    assert_ne!(blobs.facts(&new).await.unwrap().unwrap().etag, before.etag);
    assert!(blobs.delete(&new).await.unwrap());
    assert_eq!(place.left().await, Vec::<String>::new());
}

pub(crate) async fn a_list_keeps_to_its_folder_and_its_limit(place: Place) {
    let blobs = &place.blobs;
    for name in ["tenant-a/1", "tenant-a/x/2", "tenant-a/ü b%", "tenant-ab/3", "other/4"] {
        blobs.put(&path(name), Bytes::from_static(b"x")).await.unwrap();
    }
    let found = blobs.list(&path("tenant-a"), 10).await.unwrap();
    let mut names: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["tenant-a/1", "tenant-a/x/2", "tenant-a/ü b%"]);
    assert_eq!(blobs.list(&path("tenant-a"), 2).await.unwrap().len(), 2);
}

pub(crate) async fn an_object_that_must_be_new_replaces_nothing(place: Place) {
    let (blobs, path) = (&place.blobs, path("a/once"));
    blobs.put_new(&path, Bytes::from_static(b"first")).await.unwrap();
    let refused = blobs.put_new(&path, Bytes::from_static(b"second")).await.unwrap_err();
    assert!(matches!(&refused, BlobError::Exists(there) if *there == path), "{refused:?}");
    assert_eq!(blobs.get(&path).await.unwrap(), "first");
}

pub(crate) async fn many_objects_are_looked_at_in_turns_by_path(place: Place) {
    let blobs = &place.blobs;
    let names: Vec<String> = (0..23).map(|n| format!("t/{}/{n:02}", n % 3)).collect();
    for name in names.iter().chain([&"ta/0/0".to_owned()]) {
        blobs.put(&path(name), Bytes::from_static(b"x")).await.unwrap();
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let turn = blobs.list_after(&path("t"), after.as_ref(), 10).await.unwrap();
        found.extend(turn.keys().map(ToString::to_string));
        after = turn.keys().next_back().cloned();
        if turn.len() < 10 {
            break;
        }
    }
    let mut expected = names;
    expected.sort_unstable();
    assert_eq!(found, expected);
}

pub(crate) async fn many_objects_are_deleted_together_and_what_is_gone_is_no_failure(place: Place) {
    let blobs = &place.blobs;
    let paths: Vec<ObjectPath> = (0..40).map(|n| path(&format!("a/{n}"))).collect();
    for path in &paths[1..] {
        blobs.put(path, Bytes::from_static(b"x")).await.unwrap();
    }
    let (_, outcome) = blobs.delete_all(&paths).await;
    outcome.unwrap();
    assert_eq!(place.left().await, Vec::<String>::new());
}

pub(crate) async fn a_probe_that_works_leaves_nothing(place: Place) {
    place.blobs.probe("1").await.unwrap();
    place.blobs.probe("1").await.unwrap();
    assert_eq!(place.left().await, Vec::<String>::new());
}

pub(crate) async fn a_stream_is_not_asked_again_after_its_end(place: Place) {
    let bytes = noise(2 * PART + 5);
    let rest = bytes.clone();
    // Panics when it is polled after its end, as the bodies of requests do.
    let once = stream::unfold(rest, |mut rest| async move {
        let chunk = rest.split_to(rest.len().min(300_000));
        (!chunk.is_empty()).then_some((Ok::<_, Infallible>(chunk), rest))
    });
    place.blobs.put_stream(&path("a/b"), once, u64::MAX).await.unwrap();
    assert!(place.blobs.get(&path("a/b")).await.unwrap() == bytes);
}
