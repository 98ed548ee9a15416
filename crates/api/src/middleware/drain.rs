//! Reads the rest of a refused request's body. A server that answers and closes while a client still sends makes many
//! clients see a broken connection instead of the answer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::Request;
use futures::{Stream, StreamExt};
use http::{StatusCode, header};
use tokio::sync::oneshot;

use crate::settings::ApiSettings;

/// Bodies up to this size have mostly arrived with the head.
const SMALL_BYTES: u64 = 64 * 1024;
/// How long a refused client may go on sending.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a handler leaves unread of a body, and how much of it is worth reading.
pub struct Rest {
    unread: oneshot::Receiver<BodyDataStream>,
    max_bytes: u64,
}

/// Arranges that what the handler leaves unread of a large body comes back.
pub fn keep_rest(request: &mut Request, settings: &ApiSettings) -> Option<Rest> {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.map(|length| length.to_str().ok().and_then(|length| length.parse::<u64>().ok()));
    let is_large = match length {
        Some(length) => length.is_some_and(|bytes| bytes > SMALL_BYTES),
        None => request.headers().contains_key(header::TRANSFER_ENCODING),
    };
    if !is_large {
        return None;
    }
    let (back, unread) = oneshot::channel();
    // A client that asks before it sends has nothing to finish until it is told to go on, which reading would do.
    let is_sending = !request.headers().contains_key(header::EXPECT);
    let body = std::mem::take(request.body_mut()).into_data_stream();
    *request.body_mut() = Body::from_stream(Lent { body: Some(body), back: Some(back), is_sending });
    Some(Rest { unread, max_bytes: settings.max_media_bytes.max(settings.max_model_bytes) })
}

/// Reads on, within limits, when the answer is a refusal and something of the body was left.
pub async fn finish_before_refusal(rest: Option<Rest>, status: StatusCode) {
    let Some(mut rest) = rest else { return };
    if !(status.is_client_error() || status.is_server_error()) {
        return;
    }
    if let Ok(unread) = rest.unread.try_recv() {
        // Out of patience or not, the answer goes out.
        let _ = tokio::time::timeout(PATIENCE, discard(unread, rest.max_bytes)).await;
    }
}

async fn discard(mut unread: BodyDataStream, max_bytes: u64) {
    let mut read = 0;
    while let Some(Ok(chunk)) = unread.next().await {
        read += chunk.len() as u64;
        if read > max_bytes {
            return;
        }
    }
}

/// A body that goes back when it is dropped before its end.
struct Lent {
    body: Option<BodyDataStream>,
    back: Option<oneshot::Sender<BodyDataStream>>,
    is_sending: bool,
}

impl Stream for Lent {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.is_sending = true;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = body.poll_next_unpin(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(body), Some(back), true) = (self.body.take(), self.back.take(), self.is_sending) {
            // The request may be gone by now; then nobody waits for an answer.
            let _ = back.send(body);
        }
    }
}
