#![allow(clippy::unwrap_used)]
use std::sync::atomic::AtomicI64;

use futures::future::join_all;
use ortolan_blobs::{Patience, S3Key, S3Settings};
use ortolan_domain::Slot;
use ortolan_domain::model::ModelName;
use ortolan_testkit::{Bucket, BucketKind, KEY, REGION};

use super::*;

/// A clock that is moved by hand.
#[derive(Debug, Default)]
struct Hand(AtomicI64);

impl Hand {
    fn forward_s(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}

struct Bench {
    catalog: ModelCatalog,
    clock: Arc<Hand>,
    bucket: Bucket,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn new(revalidate: Option<Duration>) -> Self {
        let bucket = Bucket::create(BucketKind::S3).await.unwrap();
        let blobs = Blobs::s3(S3Settings {
            bucket: bucket.name().to_owned(),
            region: REGION.to_owned(),
            endpoint: Some(bucket.server().to_owned()),
            key: Some(S3Key { id: KEY.to_owned(), secret: KEY.to_owned(), session_token: None }),
            path_style: true,
            patience: Patience { timeout: Duration::from_secs(20), retries: 2 },
        });
        let clock = Arc::new(Hand::default());
        let limits = CatalogLimits { max_bytes: 1 << 20, revalidate };
        let folder = tempfile::tempdir().unwrap();
        let catalog = ModelCatalog::new(blobs.unwrap(), clock.clone(), limits, folder.path()).unwrap();
        Self { catalog, clock, bucket, _folder: folder }
    }

    async fn put(&self, model: &ModelRef, bytes: &[u8]) {
        self.bucket.put(&model.object_path(), bytes.to_vec()).await.unwrap();
    }

    async fn content(&self, model: &ModelRef) -> Bytes {
        self.catalog.resolve(model).await.unwrap().fetch().await.unwrap()
    }

    async fn count(&self, method: &str, model: &ModelRef) -> usize {
        self.bucket.count(method, &model.object_path()).await.unwrap()
    }
}

fn detect_of(tenant: &str) -> ModelRef {
    ModelRef { tenant: TenantSlug::parse(tenant).unwrap(), name: ModelName::Slot(Slot::Detect) }
}

#[tokio::test]
async fn twenty_first_calls_are_one_download() {
    let bench = Bench::new(None).await;
    let model = detect_of("a");
    bench.put(&model, b"the model").await;
    let copies = join_all((0..20).map(|_| bench.content(&model))).await;
    assert!(copies.iter().all(|copy| *copy == b"the model"[..]));
    assert_eq!(bench.count("GET", &model).await, 1);
}

#[tokio::test]
async fn what_is_missing_is_looked_for_again_by_the_next_call() {
    let bench = Bench::new(None).await;
    let model = detect_of("a");
    assert!(matches!(bench.catalog.resolve(&model).await, Err(CatalogError::Missing)));
    bench.put(&model, b"the model").await;
    assert_eq!(bench.content(&model).await, b"the model"[..]);
}

#[tokio::test]
async fn a_copy_is_kept_until_it_is_forgotten() {
    let bench = Bench::new(None).await;
    let (model, other) = (detect_of("a"), detect_of("b"));
    for model in [&model, &other] {
        bench.put(model, b"old").await;
        bench.content(model).await;
        bench.put(model, b"new").await;
    }
    bench.clock.forward_s(1_000_000);
    assert_eq!(bench.content(&model).await, b"old"[..]);
    assert_eq!(bench.count("HEAD", &model).await, 0);
    bench.catalog.forget_all(Some(&model.tenant));
    assert_eq!(bench.content(&model).await, b"new"[..]);
    assert_eq!(bench.content(&other).await, b"old"[..]);
}

#[tokio::test]
async fn a_copy_is_compared_with_its_object_when_asked_to() {
    let bench = Bench::new(Some(Duration::from_secs(10))).await;
    let model = detect_of("a");
    bench.put(&model, b"old").await;
    bench.content(&model).await;
    bench.clock.forward_s(10);
    join_all((0..20).map(|_| bench.content(&model))).await;
    assert_eq!((bench.count("HEAD", &model).await, bench.count("GET", &model).await), (1, 1));
    bench.put(&model, b"new").await;
    bench.clock.forward_s(9);
    assert_eq!(bench.content(&model).await, b"old"[..]);
    bench.clock.forward_s(1);
    assert_eq!(bench.content(&model).await, b"new"[..]);
    assert_eq!((bench.count("HEAD", &model).await, bench.count("GET", &model).await), (2, 2));
}
