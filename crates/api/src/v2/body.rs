//! The raw body of an inference: bounded for each request, and for all of them together.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use futures::StreamExt;
use http::{HeaderMap, header};
use ortolan_domain::ErrorCode;
use ortolan_oip::{Encoding, Frame, InferRequest, decompress};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// What is counted as one.
const UNIT_BYTES: usize = 4 * 1024;
/// More JSON than this, and compressed bodies, are read on a thread that may take its time.
const LARGE_BYTES: usize = 256 * 1024;

/// The memory that bodies of inferences may take at once.
#[derive(Clone)]
pub struct BodyBudget(Arc<Semaphore>);

/// A body, and its share of the budget.
pub struct HeldBody {
    bytes: Bytes,
    share: Option<OwnedSemaphorePermit>,
}

impl BodyBudget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / UNIT_BYTES).clamp(1, Semaphore::MAX_PERMITS))))
    }

    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ApiError> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        let taken = Arc::clone(&self.0).try_acquire_many_owned(units);
        taken.map_err(|_| ApiError::new(ErrorCode::Overloaded, "too many bytes of tensors at once"))
    }

    /// Reads a body of at most `max_bytes`.
    pub async fn read(&self, headers: &HeaderMap, body: Body, max_bytes: usize) -> Result<HeldBody, ApiError> {
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if announced.is_some_and(|bytes: usize| bytes > max_bytes) {
            return Err(too_large(max_bytes));
        }
        let mut held = HeldBody { bytes: Bytes::new(), share: announced.map(|bytes| self.take(bytes)).transpose()? };
        let mut stream = body.into_data_stream();
        let mut whole = Vec::new();
        while let Some(chunk) = stream.next().await {
            let broken = |_| ApiError::new(ErrorCode::MalformedRequest, "the body ended before it was complete");
            let chunk = chunk.map_err(broken)?;
            if held.bytes.len() + whole.len() + chunk.len() > max_bytes {
                return Err(too_large(max_bytes));
            }
            if announced.is_none() {
                held.grow(self.take(chunk.len())?);
            }
            // A body of one piece is taken as it is.
            if held.bytes.is_empty() && whole.is_empty() {
                held.bytes = chunk;
                continue;
            }
            if whole.is_empty() {
                whole.reserve(announced.unwrap_or(held.bytes.len() + chunk.len()));
                whole.extend_from_slice(&held.bytes);
                held.bytes = Bytes::new();
            }
            whole.extend_from_slice(&chunk);
        }
        if !whole.is_empty() {
            held.bytes = whole.into();
        }
        Ok(held)
    }

    /// Reads the request in a body, decompressing it first.
    pub async fn parse(
        &self,
        headers: &HeaderMap,
        mut held: HeldBody,
        max_bytes: usize,
    ) -> Result<(InferRequest, HeldBody), ApiError> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let encoding = Encoding::of_content(text(header::CONTENT_ENCODING))?;
        let length = headers.get("inference-header-content-length").map(|value| value.as_bytes().to_vec());
        if encoding.is_none() {
            let frame = Frame::split(held.bytes.clone(), length.as_deref())?;
            if frame.json.len() <= LARGE_BYTES {
                return Ok((InferRequest::read(&frame)?, held));
            }
        }
        // What a compressed body becomes is only known afterwards.
        let packed = held.bytes.clone();
        let read = tokio::task::spawn_blocking(move || {
            let whole = decompress(packed, encoding, max_bytes)?;
            let size = whole.len();
            Ok((InferRequest::read(&Frame::split(whole, length.as_deref())?)?, size))
        });
        let read: Result<_, ortolan_oip::OipError> = read.await.map_err(|error| ApiError::internal(&error))?;
        let (request, size) = read?;
        if encoding.is_some() {
            held.grow(self.take(size)?);
            held.bytes = Bytes::new();
        }
        Ok((request, held))
    }
}

impl HeldBody {
    fn grow(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.share {
            Some(share) => share.merge(more),
            None => self.share = Some(more),
        }
    }
}

fn too_large(max_bytes: usize) -> ApiError {
    ApiError::new(ErrorCode::TooLarge, format!("the body may have at most {max_bytes} bytes"))
}
