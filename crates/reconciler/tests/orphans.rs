//! Objects that belong to nothing, over a folder and over a bucket.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ortolan_blobs::{Blobs, ObjectPath, Patience, S3Key, S3Settings};
use ortolan_domain::media::{Media, MediaFacts, MediaKind, object_path};
use ortolan_domain::{Clock, MediaId, ModelId, RunId, SystemClock, TaskId, TenantId, TenantSlug, Timestamp, staging};
use ortolan_reconciler::OrphanSweep;
use ortolan_store::{SqliteSettings, StoreError, Stores, TaskChange, TaskObserver, Tenant};
use ortolan_testkit::{Bucket, BucketKind, KEY, REGION};
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(24 * 3600);

struct Deaf;

impl TaskObserver for Deaf {
    fn changed(&self, _: &[TaskChange]) {}
}

/// The time, a while later: objects bear the time at which their store took them.
#[derive(Debug)]
struct Later(Duration);

impl Clock for Later {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(self.0)
    }
}

struct Bench {
    stores: Stores,
    blobs: Blobs,
    tenant: Tenant,
    _folder: TempDir,
}

impl Bench {
    async fn over(blobs: impl FnOnce(&TempDir) -> Blobs) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stores = Stores::sqlite(SqliteSettings::at(folder.path().join("x.db")), Arc::new(Deaf)).await.unwrap();
        stores.migrate().await.unwrap();
        let tenant = tenant("acme");
        stores.tenants.create_tenant(&tenant).await.unwrap();
        Self { blobs: blobs(&folder), stores, tenant, _folder: folder }
    }

    /// Stores bytes and their row, as an upload does.
    async fn upload(&self, of: &Tenant) -> (String, Result<(), StoreError>) {
        let media = media(of);
        self.put(&media.object_path).await;
        (media.object_path.clone(), self.stores.media.create_media(&media, None).await.map(drop))
    }

    async fn put(&self, path: &str) {
        self.blobs.put(&ObjectPath::parse(path).unwrap(), Bytes::from_static(b"bytes")).await.unwrap();
    }

    async fn is_there(&self, path: &str) -> bool {
        self.blobs.facts(&ObjectPath::parse(path).unwrap()).await.unwrap().is_some()
    }
}

fn tenant(name: &str) -> Tenant {
    let (id, name) = (TenantId::generate(), TenantSlug::parse(name).unwrap());
    Tenant { id, name, display_name: None, disabled: false, created_at: SystemClock.now() }
}

fn media(of: &Tenant) -> Media {
    let id = MediaId::generate();
    let content_type = "image/png".to_owned();
    let facts = MediaFacts { kind: MediaKind::Image, content_type, width: None, height: None, duration_ms: None };
    Media {
        id,
        tenant_id: of.id,
        facts,
        file_name: None,
        size_bytes: 5,
        sha256: "0".repeat(64),
        object_path: object_path(&of.name, id),
        created_at: SystemClock.now(),
    }
}

async fn only_what_belongs_to_nothing_and_is_old_goes(bench: Bench) {
    let (owned, stored) = bench.upload(&bench.tenant).await;
    stored.unwrap();
    // The row's write fails after the put, and whoever would have taken the bytes back is gone.
    let unknown = Tenant { id: TenantId::generate(), ..bench.tenant.clone() };
    let (orphan, failed) = bench.upload(&unknown).await;
    assert!(matches!(failed, Err(StoreError::NoParent)), "{failed:?}");
    let staged = format!("acme/staging/{}.onnx", ModelId::generate());
    let (tenant, picture) = (&bench.tenant.name, "acme/images/1.jpg");
    let put_aside = staging::object(tenant, TaskId::generate(), RunId::generate(), picture);
    let unregistered = format!("models/acme/registry/{}.onnx", ModelId::generate());
    let spared = [
        owned,
        "models/acme/detect.onnx".to_owned(),
        "models/acme/registry/readme.txt".to_owned(),
        "acme/media/by-somebody-else.jpg".to_owned(),
        "acme/staging/by-somebody-else.jpg".to_owned(),
        format!("acme/processed/{}.jpg", MediaId::generate()),
        format!("nobody/media/{}", MediaId::generate()),
    ];
    for path in spared[1..].iter().chain([&staged, &put_aside, &unregistered]) {
        bench.put(path).await;
    }

    let sweep = OrphanSweep::new(bench.blobs.clone(), &bench.stores, DAY);
    let (removed, outcome) = sweep.turn(&Later(DAY - Duration::from_secs(3600))).await;
    outcome.unwrap();
    assert_eq!(removed, 0);
    let (removed, outcome) = sweep.turn(&Later(DAY + Duration::from_secs(3600))).await;
    outcome.unwrap();
    assert_eq!(removed, 4);
    for path in [orphan, staged, put_aside, unregistered] {
        assert!(!bench.is_there(&path).await, "{path}");
    }
    for path in spared {
        assert!(bench.is_there(&path).await, "{path}");
    }
}

#[tokio::test]
async fn orphans_go_from_a_folder() {
    let local = |folder: &TempDir| Blobs::local(&folder.path().join("objects")).unwrap();
    only_what_belongs_to_nothing_and_is_old_goes(Bench::over(local).await).await;
}

#[tokio::test]
async fn orphans_go_from_a_bucket() {
    let bucket = Bucket::create(BucketKind::S3).await.unwrap();
    let settings = S3Settings {
        bucket: bucket.name().to_owned(),
        region: REGION.to_owned(),
        endpoint: Some(bucket.server().to_owned()),
        key: Some(S3Key { id: KEY.to_owned(), secret: KEY.to_owned(), session_token: None }),
        path_style: true,
        patience: Patience { timeout: Duration::from_secs(20), retries: 2 },
    };
    only_what_belongs_to_nothing_and_is_old_goes(Bench::over(|_| Blobs::s3(settings).unwrap()).await).await;
}

#[tokio::test]
async fn a_folder_with_more_than_one_batch_is_swept_to_its_end() {
    let local = |folder: &TempDir| Blobs::local(&folder.path().join("objects")).unwrap();
    let bench = Bench::over(local).await;
    for _ in 0..1_100 {
        bench.put(&object_path(&bench.tenant.name, MediaId::generate())).await;
    }
    let sweep = OrphanSweep::new(bench.blobs.clone(), &bench.stores, DAY);
    let (removed, outcome) = sweep.turn(&Later(2 * DAY)).await;
    outcome.unwrap();
    assert_eq!(removed, 1_100);
}
