//! Refusals: what a handler answers instead of a result, and how that becomes a problem document.

use std::borrow::Cow;
use std::error::Error;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use ortolan_domain::error::{FieldError, Problem};
use ortolan_domain::job::MlError;
use ortolan_domain::{ErrorCode, TaskStatus};
use ortolan_store::StoreError;
use serde::Serialize;

/// After how many seconds a client may try again when nothing better is known.
const RETRY_AFTER_S: u32 = 1;
/// A reason that quotes the client's own text is cut here.
const MAX_REASON_CHARS: usize = 300;

/// Why a request is refused. It becomes `application/problem+json` at the edge, which knows the request's id.
#[derive(Debug, Clone)]
pub struct ApiError {
    code: ErrorCode,
    detail: Cow<'static, str>,
    fields: Vec<FieldError>,
    retry_after_s: Option<u32>,
    unsatisfiable_size: Option<u64>,
}

impl ApiError {
    /// A refusal with a code of the one table and an explanation that may be shown to anybody.
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), fields: Vec::new(), retry_after_s: None, unsatisfiable_size: None }
    }

    /// A field of the body, a header or a parameter is out of range, missing or unknown.
    pub fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::from(FieldError::new(field, reason))
    }

    /// A parameter or header that cannot be read, or is out of range, where that is a 400.
    pub fn parameter(name: impl Into<String>, reason: impl Into<String>) -> Self {
        let field = FieldError::new(shorten(&name.into()), shorten(&reason.into()));
        let mut error = Self::new(ErrorCode::MalformedRequest, field.to_string());
        error.fields.push(field);
        error
    }

    /// There is no such thing, or it is another tenant's; which of both is not told.
    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("there is no such {what}"))
    }

    /// The task's status does not allow what was asked.
    pub fn wrong_status(what: &str, status: TaskStatus, allowed: &str) -> Self {
        Self::new(ErrorCode::WrongState, format!("a {status} task cannot be {what}; only a {allowed} one can"))
    }

    /// Something went wrong on our side: the cause goes to the log, the client learns nothing of it.
    pub fn internal(cause: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = cause, "request failed");
        Self::new(ErrorCode::Internal, "the request id leads to the cause in the log")
    }

    /// A service that this request needs does not answer; the cause goes to the log.
    pub fn unavailable(what: &'static str, cause: &(dyn Error + 'static)) -> Self {
        tracing::warn!(error = cause, "{what} is not available");
        Self::new(ErrorCode::Unavailable, format!("{what} is not available"))
    }

    /// A range that begins behind the end of `size_bytes` bytes.
    pub fn unsatisfiable_range(size_bytes: u64) -> Self {
        let detail = format!("Range begins behind the end of {size_bytes} bytes");
        let mut error = Self::new(ErrorCode::RangeNotSatisfiable, detail);
        error.unsatisfiable_size = Some(size_bytes);
        error
    }

    /// Names when another try may help.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The word that programs can rely on.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The explanation that may be shown to anybody.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Writes the problem document into an answer that this refusal made, keeping the headers it has.
    pub fn render(self, answer: &mut Response, request_id: &str) {
        let mut problem = Problem::new(self.code, self.detail, request_id);
        problem.status = answer.status().as_u16();
        problem.errors = self.fields;
        // A problem is made of strings and numbers only, which always can be written.
        let body = match self.code {
            ErrorCode::RateLimited => serde_json::to_vec(&RateProblem::of(&problem, self.retry_after_s)),
            _ => serde_json::to_vec(&problem),
        };
        let body = body.unwrap_or_default();
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        *answer.body_mut() = Body::from(body);
    }
}

/// A refusal for asking too often, also in the words that older clients look for.
#[derive(Serialize)]
struct RateProblem<'a> {
    #[serde(flatten)]
    problem: &'a Problem,
    error: &'static str,
    message: &'a str,
    retry_after: u32,
}

impl<'a> RateProblem<'a> {
    fn of(problem: &'a Problem, retry_after_s: Option<u32>) -> Self {
        let retry_after = retry_after_s.unwrap_or(RETRY_AFTER_S);
        Self { problem, error: "rate_limit_exceeded", message: &problem.detail, retry_after }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut answer = self.status().into_response();
        let headers = answer.headers_mut();
        match self.status() {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(self.retry_after_s.unwrap_or(RETRY_AFTER_S)));
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        if let Some(range) = self.unsatisfiable_size.and_then(|size| format!("bytes */{size}").parse().ok()) {
            headers.insert(header::CONTENT_RANGE, range);
        }
        answer.extensions_mut().insert(self);
        answer
    }
}

impl From<FieldError> for ApiError {
    fn from(field: FieldError) -> Self {
        let field = FieldError::new(shorten(&field.field), shorten(&field.reason));
        let mut error = Self::new(ErrorCode::Invalid, field.to_string());
        error.fields.push(field);
        error
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Closed => Self::unavailable("the database", &error),
            StoreError::Duplicate => Self::new(ErrorCode::Duplicate, "there is one already"),
            // What it belonged to was deleted in the meantime.
            StoreError::NoParent => Self::new(ErrorCode::NotFound, "what this belongs to does not exist any more"),
            _ => Self::internal(&error),
        }
    }
}

impl From<MlError> for ApiError {
    fn from(error: MlError) -> Self {
        match error.code {
            ErrorCode::Internal => Self::internal(&error),
            ErrorCode::Unavailable => Self::unavailable("the ML service", &error),
            code => Self::new(code, shorten(&error.detail)),
        }
    }
}

/// Cuts a text that may quote the client's own, and takes control characters out.
fn shorten(text: &str) -> String {
    let mut short: String = text.chars().filter(|c| !c.is_control()).take(MAX_REASON_CHARS).collect();
    if short.len() < text.len() && text.chars().nth(MAX_REASON_CHARS).is_some() {
        short.push('…');
    }
    short
}
