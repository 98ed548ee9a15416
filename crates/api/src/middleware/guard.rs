//! The innermost part: bounds what is under way, and turns a panic into a refusal.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use ortolan_domain::ErrorCode;

use crate::error::ApiError;
use crate::state::ApiState;

/// Takes a place for the request, and answers a panic of its handler with a refusal that tells nothing.
pub async fn guard<E>(
    state: &ApiState,
    answer: Pin<&mut impl Future<Output = Result<Response, E>>>,
) -> Result<Response, E> {
    let _place = match state.limits.request() {
        Ok(place) => place,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(|panic| {
        tracing::error!(panic = message(panic.as_ref()), "a handler panicked");
        Ok(ApiError::new(ErrorCode::Internal, "the request id leads to the cause in the log").into_response())
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}
