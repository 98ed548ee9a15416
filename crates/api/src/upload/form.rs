//! `multipart/form-data`, part by part.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use http::{HeaderMap, header};
use ortolan_domain::{ErrorCode, FieldError};

use super::source::{UploadError, bytes_of};
use crate::error::ApiError;
use crate::settings::ApiSettings;

/// What may lie between two parts' contents: boundary and headers.
const MAX_UNREAD_BYTES: u64 = 1024 * 1024;
/// The longest file name that is kept, in characters.
const MAX_FILE_NAME_CHARS: usize = 255;

/// A form that is being read.
pub struct Form {
    parts: multer::Multipart<'static>,
    flow: Arc<Flow>,
}

/// One part of a form.
pub struct Part {
    /// The field's name.
    pub name: String,
    /// The file's name without folders, for display only.
    pub file_name: Option<String>,
    field: multer::Field<'static>,
    flow: Arc<Flow>,
}

impl Form {
    /// The form in a body, or the body itself when it is none.
    pub fn read(headers: &HeaderMap, body: Body, settings: &ApiSettings) -> Result<Result<Self, Body>, ApiError> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.trim_start().to_ascii_lowercase().starts_with("multipart/") {
            return Ok(Err(body));
        }
        let boundary = multer::parse_boundary(kind).map_err(|_| {
            ApiError::new(ErrorCode::MalformedRequest, "the content type must be multipart/form-data with a boundary")
        })?;
        let flow = Arc::new(Flow::default());
        let stream = bytes_of(body, settings.upload_idle_timeout).boxed();
        let paced = Paced { stream, flow: Arc::clone(&flow), rests: false };
        Ok(Ok(Self { parts: multer::Multipart::new(paced, boundary), flow }))
    }

    /// The next part; `None` at the end of the form.
    pub async fn next_part(&mut self) -> Result<Option<Part>, ApiError> {
        let Some(field) = self.parts.next_field().await.map_err(read_error)? else { return Ok(None) };
        self.flow.catch_up();
        let name = field.name().unwrap_or_default().to_owned();
        let file_name = field.file_name().and_then(display_name);
        Ok(Some(Part { name, file_name, field, flow: Arc::clone(&self.flow) }))
    }
}

impl Part {
    /// The part's bytes as they come in.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, UploadError>> + Send + 'static {
        let Self { field, flow, .. } = self;
        field.map(move |chunk| {
            flow.catch_up();
            chunk.map_err(read_error)
        })
    }

    /// The part's bytes, all of them.
    pub async fn into_bytes(self, max_bytes: usize) -> Result<Vec<u8>, ApiError> {
        let name = self.name.clone();
        let mut stream = std::pin::pin!(self.into_stream());
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            if bytes.len() + chunk.len() > max_bytes {
                return Err(ApiError::new(
                    ErrorCode::TooLarge,
                    format!("the part '{name}' may have at most {max_bytes} bytes"),
                ));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// The refusal of a part that is not expected here.
    pub fn unexpected(&self, expected: &str) -> ApiError {
        FieldError::new(self.name.clone(), format!("unknown or doubled part, expected {expected}")).into()
    }
}

/// How much went into the parser and was not asked for yet.
#[derive(Default)]
struct Flow {
    unread: AtomicU64,
}

impl Flow {
    fn catch_up(&self) {
        self.unread.store(0, Ordering::Relaxed);
    }
}

/// Hands on one chunk per turn: the parser takes whatever is there before it looks at any of it, which could be all of
/// a large upload. And it looks for the end of a part's headers for as long as bytes come, which is bounded here.
struct Paced {
    stream: BoxStream<'static, Result<Bytes, UploadError>>,
    flow: Arc<Flow>,
    rests: bool,
}

impl Stream for Paced {
    type Item = Result<Bytes, UploadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.rests) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = self.stream.poll_next_unpin(context);
        let Poll::Ready(Some(Ok(chunk))) = &polled else { return polled };
        let before = self.flow.unread.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        if before > MAX_UNREAD_BYTES {
            return Poll::Ready(Some(Err(UploadError::HeaderTooLong)));
        }
        self.rests = true;
        polled
    }
}

/// The parser wraps the body's own errors; they are taken out again.
fn read_error(error: multer::Error) -> UploadError {
    match error {
        multer::Error::StreamReadFailed(cause) => match cause.downcast::<UploadError>() {
            Ok(cause) => *cause,
            Err(cause) => UploadError::Form(multer::Error::StreamReadFailed(cause)),
        },
        error => UploadError::Form(error),
    }
}

/// A file's name without folders and control characters.
fn display_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control()).take(MAX_FILE_NAME_CHARS).collect();
    (!name.is_empty()).then_some(name)
}
