//! Errors as the protocol has them.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use ortolan_domain::ErrorCode;
use ortolan_oip::OipError;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::response::{Response as Described, ResponseBuilder};
use utoipa::openapi::{Content, Ref, RefOr};

use crate::error::ApiError;

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OipError)]
pub struct OipErrorBody<'a> {
    /// What happened, in our words.
    error: &'a str,
}

/// True for a path whose errors are the protocol's.
pub fn is_of_protocol(path: &str) -> bool {
    path == "/v2" || path.starts_with("/v2/") || path.starts_with("/t/")
}

/// The status of a refusal in this protocol, which knows no 422.
fn status_of(status: StatusCode) -> StatusCode {
    if status == StatusCode::UNPROCESSABLE_ENTITY { StatusCode::BAD_REQUEST } else { status }
}

/// Writes a refusal into an answer that it made, keeping the headers it has.
pub fn render(error: &ApiError, answer: &mut Response) {
    // A text always can be written as JSON.
    let body = serde_json::to_vec(&OipErrorBody { error: error.detail() }).unwrap_or_default();
    *answer.status_mut() = status_of(answer.status());
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    *answer.body_mut() = Body::from(body);
}

impl From<OipError> for ApiError {
    fn from(error: OipError) -> Self {
        let code = match &error {
            OipError::Malformed(_) | OipError::NeedsBinary(_) => ErrorCode::MalformedRequest,
            OipError::TooLarge { .. } => ErrorCode::TooLarge,
            OipError::UnknownEncoding(_) => ErrorCode::UnsupportedMedia,
        };
        Self::new(code, error.to_string())
    }
}

/// The refusals of every endpoint of the protocol, as the document shows them.
pub fn refusals(own: &[ErrorCode]) -> BTreeMap<String, RefOr<Described>> {
    let described = |text: String| {
        let schema = Ref::from_schema_name("OipError");
        let content = Content::new(Some(schema));
        ResponseBuilder::new().description(text).content("application/json", content).build()
    };
    let mut by_status = BTreeMap::<u16, Vec<&str>>::new();
    for code in crate::openapi::ANYWHERE.iter().chain(own) {
        let status = StatusCode::from_u16(code.status()).map_or(500, |status| status_of(status).as_u16());
        by_status.entry(status).or_default().push(code.title());
    }
    by_status.into_iter().map(|(status, titles)| (status.to_string(), described(titles.join(". ")).into())).collect()
}

/// The refusals of an endpoint about one model.
pub struct ModelRefusals;

impl utoipa::IntoResponses for ModelRefusals {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        use ErrorCode::{Crashed, DeadlineExceeded, InvalidModel, NotFound};
        refusals(&[NotFound, InvalidModel, Crashed, DeadlineExceeded])
    }
}

/// The refusals of an inference.
pub struct InferRefusals;

impl utoipa::IntoResponses for InferRefusals {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        use ErrorCode::{
            Crashed, DeadlineExceeded, NotFound, OutOfMemory, Quarantined, RunFailed, TooLarge, UnsupportedMedia,
        };
        refusals(&[
            NotFound,
            TooLarge,
            UnsupportedMedia,
            RunFailed,
            OutOfMemory,
            Quarantined,
            Crashed,
            DeadlineExceeded,
        ])
    }
}

/// The refusals of an endpoint about nothing in particular.
pub struct PlainRefusals;

impl utoipa::IntoResponses for PlainRefusals {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        refusals(&[ErrorCode::DeadlineExceeded])
    }
}
