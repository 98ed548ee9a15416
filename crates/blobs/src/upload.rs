//! Putting an object while its bytes still come in.

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt};
use ortolan_domain::hash::hex;
use sha2::{Digest, Sha256};

use crate::BlobError;
use crate::path::ObjectPath;

/// The size of the parts of a large object. S3 wants at least 5 MiB, and takes at most 10,000 parts: 80 GB.
const PART_BYTES: usize = 8 << 20;

/// What was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// How many bytes.
    pub size_bytes: u64,
    /// SHA-256 of the bytes in hexadecimal.
    pub sha256: String,
}

/// Reads a stream up to `max_bytes` into `path`. The object appears whole at the end, or not at all; at most one part is
/// held in memory.
pub(crate) async fn put_stream<S, E>(
    store: &dyn ObjectStore,
    path: &ObjectPath,
    stream: S,
    max_bytes: u64,
) -> Result<Stored, BlobError>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut source =
        Measured { stream: std::pin::pin!(stream.fuse()), digest: Sha256::new(), size_bytes: 0, max_bytes };
    let first = source.next_part().await?;
    if first.len() < PART_BYTES {
        store.put(path.as_store(), first.into()).await.map_err(BlobError::put(path))?;
        return Ok(source.stored());
    }
    let upload = store.put_multipart(path.as_store()).await.map_err(BlobError::put(path))?;
    let mut upload = Unfinished(Some(upload));
    match send_parts(&mut upload, path, first, &mut source).await {
        Ok(()) => Ok(source.stored()),
        Err(error) => {
            upload.abort().await;
            Err(error)
        }
    }
}

/// An upload in parts that is given up unless it is completed: also when its caller goes away in the middle. A store keeps
/// the parts of an unfinished upload away from sight, and charges for them.
struct Unfinished(Option<Box<dyn MultipartUpload>>);

impl Unfinished {
    async fn put_part(&mut self, part: Bytes) -> object_store::Result<()> {
        match &mut self.0 {
            Some(upload) => upload.put_part(part.into()).await,
            None => Ok(()),
        }
    }

    async fn complete(&mut self) -> object_store::Result<()> {
        let Some(upload) = &mut self.0 else { return Ok(()) };
        upload.complete().await?;
        self.0 = None;
        Ok(())
    }

    async fn abort(&mut self) {
        if let Some(upload) = self.0.take() {
            give_up(upload).await;
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let (Some(upload), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(give_up(upload));
        }
    }
}

async fn give_up(mut upload: Box<dyn MultipartUpload>) {
    if let Err(error) = upload.abort().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "parts of an unfinished upload stay in the store");
    }
}

async fn send_parts<S, E>(
    upload: &mut Unfinished,
    path: &ObjectPath,
    first: Bytes,
    source: &mut Measured<S>,
) -> Result<(), BlobError>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut part = first;
    while !part.is_empty() {
        upload.put_part(part).await.map_err(BlobError::put(path))?;
        part = source.next_part().await?;
    }
    upload.complete().await.map_err(BlobError::put(path))
}

/// A stream that is counted and hashed on the way.
struct Measured<S> {
    stream: S,
    digest: Sha256,
    size_bytes: u64,
    max_bytes: u64,
}

impl<S, E> Measured<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// The next part, full unless the stream ends; empty at the end.
    async fn next_part(&mut self) -> Result<Bytes, BlobError> {
        let mut part = BytesMut::new();
        while part.len() < PART_BYTES {
            let Some(chunk) = self.stream.next().await else { break };
            let chunk = chunk.map_err(|error| BlobError::Source(error.into()))?;
            self.size_bytes += chunk.len() as u64;
            if self.size_bytes > self.max_bytes {
                return Err(BlobError::TooLarge { max_bytes: self.max_bytes });
            }
            self.digest.update(&chunk);
            part.extend_from_slice(&chunk);
        }
        Ok(part.freeze())
    }
}

impl<S> Measured<S> {
    fn stored(self) -> Stored {
        Stored { size_bytes: self.size_bytes, sha256: hex(&self.digest.finalize()) }
    }
}
