//! Files on their way to the server: streamed, never whole in memory.

use std::path::Path;
use std::sync::Arc;

use futures::StreamExt;
use reqwest::multipart::Part;
use reqwest::{Body, RequestBuilder, header};
use tokio_util::io::ReaderStream;

use crate::Failure;

/// Told how many more bytes were handed to the network.
pub type Sent = Arc<dyn Fn(u64) + Send + Sync>;

/// A file to be sent.
pub struct Upload {
    name: String,
    size_bytes: u64,
    body: Body,
}

impl Upload {
    /// A file of this machine. `counter` is given its size and gives what counts the bytes that are sent.
    pub async fn open(path: &Path, counter: impl FnOnce(u64) -> Sent) -> Result<Self, Failure> {
        let cannot_read = |error| Failure::file("read", path, error);
        let file = tokio::fs::File::open(path).await.map_err(cannot_read)?;
        let facts = file.metadata().await.map_err(cannot_read)?;
        if !facts.is_file() {
            return Err(Failure::file("read", path, "it is not a file"));
        }
        let sent = counter(facts.len());
        let pieces = ReaderStream::with_capacity(file, 256 << 10).inspect(move |piece| {
            if let Ok(piece) = piece {
                sent(piece.len() as u64);
            }
        });
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { name, size_bytes: facts.len(), body: Body::wrap_stream(pieces) })
    }

    /// A file that is part of this program.
    pub fn built_in(name: &str, bytes: &'static [u8]) -> Self {
        Self { name: name.to_owned(), size_bytes: bytes.len() as u64, body: Body::from(bytes) }
    }

    /// The file as a part of a form.
    pub(super) fn into_part(self) -> Part {
        Part::stream_with_length(self.body, self.size_bytes).file_name(self.name)
    }

    /// The file as the whole body.
    pub(super) fn into_body_of(self, request: RequestBuilder) -> RequestBuilder {
        request
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, self.size_bytes)
            .body(self.body)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::failure::Exit;

    #[tokio::test]
    async fn what_is_no_file_is_refused_before_anything_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("absent.jpg")] {
            let failure = Upload::open(&path, |_| Arc::new(|_| ())).await.err().unwrap();
            assert_eq!(failure.exit_code(), Exit::Invalid, "{failure}");
        }
    }

    #[tokio::test]
    async fn a_file_has_its_own_name_and_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b.jpg");
        std::fs::write(&path, [7; 1000]).unwrap();
        let upload = Upload::open(&path, |_| Arc::new(|_| ())).await.unwrap();
        assert_eq!((upload.name.as_str(), upload.size_bytes), ("a b.jpg", 1000));
    }
}
