//! Objects by path.

use std::ops::Range;
use std::path::Path as Folder;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::local::LocalFileSystem;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt};
use ortolan_domain::Timestamp;

use crate::BlobError;
use crate::path::ObjectPath;
use crate::upload::{self, Stored};

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
#[derive(Debug, Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
}

impl Blobs {
    /// Objects as files below a local folder, which is made when it is not there. An object is written beside its place and
    /// renamed into it; file and folder are flushed to the disk before a put returns.
    pub fn local(root: &Folder) -> Result<Self, BlobError> {
        let unusable = |source| BlobError::Folder { folder: root.to_owned(), source };
        std::fs::create_dir_all(root).map_err(unusable)?;
        let store = LocalFileSystem::new_with_prefix(root).map_err(|error| unusable(std::io::Error::other(error)))?;
        Ok(Self { store: Arc::new(store.with_fsync(true).with_automatic_cleanup(false)) })
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

    /// The whole object.
    pub async fn get(&self, path: &ObjectPath) -> Result<Bytes, BlobError> {
        self.get_limited(path, u64::MAX).await
    }

    /// The whole object, refused before it is read when it has more than `max_bytes`.
    pub async fn get_limited(&self, path: &ObjectPath, max_bytes: u64) -> Result<Bytes, BlobError> {
        let found = self.store.get(path.as_store()).await.map_err(BlobError::store("get", path))?;
        if found.meta.size > max_bytes {
            return Err(BlobError::TooLarge { max_bytes });
        }
        found.bytes().await.map_err(BlobError::store("get", path))
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

    /// Moves an object over whatever is at `to`; at once for a local folder, as copy and delete elsewhere.
    pub async fn rename(&self, from: &ObjectPath, to: &ObjectPath) -> Result<(), BlobError> {
        self.store.rename(from.as_store(), to.as_store()).await.map_err(BlobError::store("rename", from))
    }

    /// Deletes an object; false when it was not there, as far as the store can tell.
    pub async fn delete(&self, path: &ObjectPath) -> Result<bool, BlobError> {
        match self.store.delete(path.as_store()).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(BlobError::store("delete", path)(error)),
        }
    }

    /// At most `limit` objects in the folder `prefix` and below, in no order. Objects that bear no name of ours are left out.
    pub async fn list(&self, prefix: &ObjectPath, limit: usize) -> Result<Vec<(ObjectPath, ObjectFacts)>, BlobError> {
        let named = |meta: ObjectMeta| Some((ObjectPath::parse(meta.location.as_ref()).ok()?, facts(&meta)));
        let objects = self.store.list(Some(prefix.as_store())).try_filter_map(|meta| async move { Ok(named(meta)) });
        objects.take(limit).try_collect().await.map_err(BlobError::store("list", prefix))
    }
}

fn facts(meta: &ObjectMeta) -> ObjectFacts {
    ObjectFacts {
        size_bytes: meta.size,
        etag: meta.e_tag.clone(),
        modified_at: Timestamp::from_micros(meta.last_modified.timestamp_micros()),
    }
}
