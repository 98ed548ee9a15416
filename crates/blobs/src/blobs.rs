//! Objects by path.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::Path as Folder;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::local::LocalFileSystem;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use ortolan_domain::{TenantSlug, Timestamp};

use crate::BlobError;
use crate::bucket::{GcsSettings, S3Settings};
use crate::path::ObjectPath;
use crate::upload::{self, Stored};
use crate::url::{ObjectUrl, ObjectUrlError, Origin, Scheme};

/// Deletions that are under way at once.
const DELETIONS_AT_ONCE: usize = 16;

/// What is known of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectFacts {
    /// How many bytes it has.
    pub size_bytes: u64,
    /// A word that changes when the object does.
    pub etag: Option<String>,
    /// When it was put.
    pub modified_at: Timestamp,
}

/// A store of objects. Cheap to clone.
#[derive(Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    origin: Arc<Origin>,
}

impl Blobs {
    /// Objects as files below a local folder, which is made when it is not there. An object is written beside its place and
    /// renamed into it; file and folder are flushed to the disk before a put returns.
    pub fn local(root: &Folder) -> Result<Self, BlobError> {
        let unusable = |source| BlobError::Folder { folder: root.to_owned(), source };
        std::fs::create_dir_all(root).map_err(unusable)?;
        let store = LocalFileSystem::new_with_prefix(root).map_err(|error| unusable(std::io::Error::other(error)))?;
        let store = Arc::new(store.with_fsync(true).with_automatic_cleanup(false));
        Ok(Self { store, origin: Arc::new(Origin { scheme: None, bucket: None }) })
    }

    /// Objects in a bucket of S3, or of a store that speaks like it. Nothing is asked of the store yet.
    pub fn s3(settings: S3Settings) -> Result<Self, BlobError> {
        let origin = Origin { scheme: Some(Scheme::S3), bucket: Some(settings.bucket.clone()) };
        Ok(Self { store: settings.open()?, origin: Arc::new(origin) })
    }

    /// Objects in a bucket of Google Cloud Storage. Nothing is asked of the store yet.
    pub fn gcs(settings: GcsSettings) -> Result<Self, BlobError> {
        let origin = Origin { scheme: Some(Scheme::Gs), bucket: Some(settings.bucket.clone()) };
        Ok(Self { store: settings.open()?, origin: Arc::new(origin) })
    }

    /// The same folder, which also answers to addresses of a bucket of this name.
    pub fn named(self, bucket: &str) -> Self {
        Self { origin: Arc::new(Origin { bucket: Some(bucket.to_owned()), ..(*self.origin).clone() }), ..self }
    }

    /// The tenant's object that an address means, when it lies in this store and belongs to the tenant.
    pub fn resolve(&self, tenant: &TenantSlug, url: &ObjectUrl) -> Result<ObjectPath, ObjectUrlError> {
        self.origin.resolve(tenant, url)
    }

    /// Puts an object while its bytes come in; more than `max_bytes`, or a stream that breaks, leaves nothing behind, and an
    /// object that was there before stays.
    pub async fn put_stream<S, E>(&self, path: &ObjectPath, stream: S, max_bytes: u64) -> Result<Stored, BlobError>
    where
        S: futures::Stream<Item = Result<Bytes, E>>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        upload::put_stream(self.store.as_ref(), path, stream, max_bytes).await
    }

    /// Puts an object whose bytes are all there.
    pub async fn put(&self, path: &ObjectPath, bytes: Bytes) -> Result<Stored, BlobError> {
        let whole = stream::once(async { Ok::<_, std::convert::Infallible>(bytes) });
        self.put_stream(path, whole, u64::MAX).await
    }

    /// Puts an object whose bytes are all there, unless there is one already: [`BlobError::Exists`].
    pub async fn put_new(&self, path: &ObjectPath, bytes: Bytes) -> Result<(), BlobError> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        self.store.put_opts(path.as_store(), bytes.into(), options).await.map(drop).map_err(BlobError::put(path))
    }

    /// The whole object.
    pub async fn get(&self, path: &ObjectPath) -> Result<Bytes, BlobError> {
        self.get_limited(path, u64::MAX).await
    }

    /// The whole object, refused before it is read when it has more than `max_bytes`.
    pub async fn get_limited(&self, path: &ObjectPath, max_bytes: u64) -> Result<Bytes, BlobError> {
        Ok(self.get_with_facts(path, max_bytes).await?.1)
    }

    /// The same, with what is known of the very object that was read.
    pub async fn get_with_facts(&self, path: &ObjectPath, max_bytes: u64) -> Result<(ObjectFacts, Bytes), BlobError> {
        let found = self.store.get(path.as_store()).await.map_err(BlobError::store("get", path))?;
        if found.meta.size > max_bytes {
            return Err(BlobError::TooLarge { max_bytes });
        }
        let facts = facts(&found.meta);
        Ok((facts, found.bytes().await.map_err(BlobError::store("get", path))?))
    }

    /// The object, or `range` of its bytes, as a stream. A range that ends past the object ends with the object.
    pub async fn stream(
        &self,
        path: &ObjectPath,
        range: Option<Range<u64>>,
    ) -> Result<(ObjectFacts, BoxStream<'static, Result<Bytes, BlobError>>), BlobError> {
        let options = GetOptions { range: range.map(Into::into), ..GetOptions::default() };
        let found = self.store.get_opts(path.as_store(), options).await.map_err(BlobError::store("get", path))?;
        let facts = facts(&found.meta);
        let path = path.clone();
        let bytes = found.into_stream().map_err(move |error| BlobError::store("get", &path)(error));
        Ok((facts, bytes.boxed()))
    }

    /// What is known of the object, if it is there.
    pub async fn facts(&self, path: &ObjectPath) -> Result<Option<ObjectFacts>, BlobError> {
        match self.store.head(path.as_store()).await {
            Ok(meta) => Ok(Some(facts(&meta))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(BlobError::store("look at", path)(error)),
        }
    }

    /// Moves an object over whatever is at `to`, which is whole at every moment.
    pub async fn rename(&self, from: &ObjectPath, to: &ObjectPath) -> Result<(), BlobError> {
        if self.is_folder() {
            return self.store.rename(from.as_store(), to.as_store()).await.map_err(BlobError::store("rename", from));
        }
        self.store.copy(from.as_store(), to.as_store()).await.map_err(BlobError::store("copy", from))?;
        // The object is where it belongs: a copy that stays behind is no reason to say that it is not.
        if let Err(error) = self.delete(from).await {
            tracing::warn!(path = %from, error = &error as &dyn std::error::Error, "a moved object's old copy stays for the reconciler");
        }
        Ok(())
    }

    /// Deletes an object; false when it was not there, as far as the store can tell.
    pub async fn delete(&self, path: &ObjectPath) -> Result<bool, BlobError> {
        match self.store.delete(path.as_store()).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(BlobError::store("delete", path)(error)),
        }
    }

    /// Deletes objects, some at a time; tells how many were deleted, and whether one failed.
    pub async fn delete_all(&self, paths: &[ObjectPath]) -> (u64, Result<(), BlobError>) {
        // Owned, because futures that borrow from an iterator's items cannot be sent between threads.
        let delete = |path: ObjectPath| {
            let blobs = self.clone();
            async move { blobs.delete(&path).await }
        };
        let deletions = stream::iter(paths.to_vec()).map(delete).buffer_unordered(DELETIONS_AT_ONCE);
        let count = |(count, outcome): (u64, Result<(), BlobError>), deleted| async move {
            match deleted {
                Ok(_) => (count + 1, outcome),
                Err(error) => (count, outcome.and(Err(error))),
            }
        };
        deletions.fold((0, Ok(())), count).await
    }

    /// At most `limit` objects in the folder `prefix` and below, in no order. Objects that bear no name of ours are left out.
    pub async fn list(&self, prefix: &ObjectPath, limit: usize) -> Result<Vec<(ObjectPath, ObjectFacts)>, BlobError> {
        let objects = self.store.list(Some(prefix.as_store())).try_filter_map(|meta| async move { Ok(named(&meta)) });
        objects.take(limit).try_collect().await.map_err(BlobError::store("list", prefix))
    }

    /// The first `limit` objects in the folder `prefix` and below whose paths come after `after`, by path: the way to look at
    /// many objects in several turns.
    pub async fn list_after(
        &self,
        prefix: &ObjectPath,
        after: Option<&ObjectPath>,
        limit: usize,
    ) -> Result<BTreeMap<ObjectPath, ObjectFacts>, BlobError> {
        let mut objects = match after {
            Some(after) => self.store.list_with_offset(Some(prefix.as_store()), after.as_store()),
            None => self.store.list(Some(prefix.as_store())),
        };
        let mut first = BTreeMap::new();
        while let Some(meta) = objects.try_next().await.map_err(BlobError::store("list", prefix))? {
            let Some((path, facts)) = named(&meta) else { continue };
            first.insert(path, facts);
            // Buckets list in order; a folder does not, so that all of it is looked at.
            if !self.is_folder() && first.len() == limit {
                break;
            }
            if first.len() > limit {
                first.pop_last();
            }
        }
        Ok(first)
    }

    fn is_folder(&self) -> bool {
        self.origin.scheme.is_none()
    }
}

/// Without the client behind it, which holds credentials.
impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blobs").field(&self.origin).finish()
    }
}

fn named(meta: &ObjectMeta) -> Option<(ObjectPath, ObjectFacts)> {
    Some((ObjectPath::parse(meta.location.as_ref()).ok()?, facts(meta)))
}

fn facts(meta: &ObjectMeta) -> ObjectFacts {
    ObjectFacts {
        size_bytes: meta.size,
        etag: meta.e_tag.clone(),
        modified_at: Timestamp::from_micros(meta.last_modified.timestamp_micros()),
    }
}
