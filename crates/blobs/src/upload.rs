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
        store.put(path.as_store(), first.into()).await.map_err(BlobError::store("put", path))?;
        return Ok(source.stored());
    }
    let mut upload = store.put_multipart(path.as_store()).await.map_err(BlobError::store("put", path))?;
    match send_parts(upload.as_mut(), path, first, &mut source).await {
        Ok(()) => Ok(source.stored()),
        Err(error) => {
            // Best effort: a store keeps an upload that was never completed away from sight.
            let _ = upload.abort().await;
            Err(error)
        }
    }
}

async fn send_parts<S, E>(
    upload: &mut dyn MultipartUpload,
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
        upload.put_part(part.into()).await.map_err(BlobError::store("put", path))?;
        part = source.next_part().await?;
    }
    upload.complete().await.map_err(BlobError::store("put", path))?;
    Ok(())
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
