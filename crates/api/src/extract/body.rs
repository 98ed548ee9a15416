//! Small bodies, whole.

use axum::body::{Body, Bytes};
use futures::StreamExt;
use http::{HeaderMap, header};
use ortolan_domain::ErrorCode;

use crate::error::ApiError;

/// Reads a body of at most `max_bytes`.
pub async fn read_limited(headers: &HeaderMap, body: Body, max_bytes: usize) -> Result<Bytes, ApiError> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > max_bytes) {
        return Err(too_large(max_bytes));
    }
    let mut stream = body.into_data_stream();
    let Some(first) = next(&mut stream).await? else { return Ok(Bytes::new()) };
    let Some(second) = next(&mut stream).await? else {
        return if first.len() > max_bytes { Err(too_large(max_bytes)) } else { Ok(first) };
    };
    let mut whole = Vec::with_capacity(announced.unwrap_or(first.len() + second.len()));
    whole.extend_from_slice(&first);
    let mut chunk = Some(second);
    while let Some(bytes) = chunk {
        if whole.len() + bytes.len() > max_bytes {
            return Err(too_large(max_bytes));
        }
        whole.extend_from_slice(&bytes);
        chunk = next(&mut stream).await?;
    }
    Ok(whole.into())
}

async fn next(stream: &mut axum::body::BodyDataStream) -> Result<Option<Bytes>, ApiError> {
    let broken = |_| ApiError::new(ErrorCode::MalformedRequest, "the body ended before it was complete");
    stream.next().await.transpose().map_err(broken)
}

fn too_large(max_bytes: usize) -> ApiError {
    ApiError::new(ErrorCode::TooLarge, format!("the body may have at most {max_bytes} bytes"))
}
