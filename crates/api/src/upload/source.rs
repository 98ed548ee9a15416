//! The bytes of a request as they come in.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use futures::{Stream, StreamExt, stream};
use ortolan_domain::{ErrorCode, FieldError};
use ortolan_outbound::OutboundError;

use crate::error::ApiError;

/// Why an upload ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The client went away or sent what is no HTTP.
    #[error("the upload ended before it was complete")]
    Broken(#[source] axum::Error),
    /// Nothing came for too long.
    #[error("the upload stalled for {0:?}")]
    Stalled(Duration),
    /// The body is not the form that it says it is.
    #[error("the multipart body cannot be read")]
    Form(#[source] multer::Error),
    /// The address that the bytes come from stopped giving them.
    #[error("the picture could not be fetched: {0}")]
    Fetched(OutboundError),
    /// Something other than a file takes too much room in a form.
    #[error("a header in the multipart body is too long")]
    HeaderTooLong,
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Fetched(error) => unfetched(&error),
            error => Self::new(ErrorCode::MalformedRequest, error.to_string()),
        }
    }
}

/// A picture that its address does not give.
pub fn unfetched(error: &OutboundError) -> ApiError {
    match error {
        OutboundError::TooLarge { max_bytes } => {
            ApiError::new(ErrorCode::TooLarge, format!("the file may have at most {max_bytes} bytes"))
        }
        error => FieldError::new("image_url", format!("the picture could not be fetched: {error}")).into(),
    }
}

/// The body's bytes; a client that sends nothing for `idle` is given up.
pub fn bytes_of(body: Body, idle: Duration) -> impl Stream<Item = Result<Bytes, UploadError>> + Send + 'static {
    stream::unfold(Some(body.into_data_stream()), move |body| next(body, idle))
}

async fn next(
    body: Option<BodyDataStream>,
    idle: Duration,
) -> Option<(Result<Bytes, UploadError>, Option<BodyDataStream>)> {
    let mut body = body?;
    match tokio::time::timeout(idle, body.next()).await {
        Ok(Some(Ok(chunk))) => Some((Ok(chunk), Some(body))),
        Ok(Some(Err(error))) => Some((Err(UploadError::Broken(error)), None)),
        Ok(None) => None,
        Err(_) => Some((Err(UploadError::Stalled(idle)), None)),
    }
}
