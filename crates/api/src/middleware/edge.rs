//! The outermost part: the request's id, its time, its line in the log, and refusals as problem documents.

use std::pin::Pin;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use ortolan_domain::{ErrorCode, Origin, TraceContext};
use ortolan_service::telemetry::metrics::http_answered;
use ortolan_service::telemetry::trace::{Span, SpanKind};
use tracing::{Instrument, field};

use super::drain::{self, Rest};
use super::{RequestId, origin, request_id};
use crate::error::ApiError;
use crate::settings::ApiSettings;
use crate::v2;

const RESPONSE_TIME: HeaderName = HeaderName::from_static("x-response-time");
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// What is known of a request before it is answered.
pub struct Edge {
    started: Instant,
    id: HeaderValue,
    id_text: String,
    line: AccessLine,
    /// The request's part of a trace.
    work: Span,
    /// What every line about the request says.
    span: tracing::Span,
    rest: Option<Rest>,
}

impl Edge {
    /// Gives the request its id, and notes when it came.
    pub fn of(request: &mut Request, settings: &ApiSettings) -> Self {
        let started = Instant::now();
        let id = request_id::of_request(request.headers());
        let id_text = id.to_str().unwrap_or_default().to_owned();
        request.extensions_mut().insert(RequestId(id_text.clone()));
        let line = AccessLine::of(request);
        let work = line.begin_span(request.headers());
        let span = tracing::info_span!("http.request", request_id = %id_text, tenant_id = field::Empty, trace_id = field::Empty);
        if let Some(trace) = work.context() {
            span.record("trace_id", format!("{:032x}", trace.trace_id));
        }
        let rest = drain::keep_rest(request, settings);
        Self { started, id, id_text, line, work, span, rest }
    }

    /// Waits for the answer, times and logs it, and writes a refusal out as a problem document.
    pub async fn finish(self, answer: Pin<&mut impl Future<Output = Response>>) -> Response {
        let Self { started, id, id_text, line, mut work, span, rest } = self;
        let run = async {
            let mut response = answer.await;
            drain::finish_before_refusal(rest, response.status()).await;
            write_refusal(&mut response, &line.path, &id_text);
            line.log(&response, started);
            response
        };
        let origin = Origin { request_id: Some(id_text.clone()), trace: work.context() };
        let mut response = origin::within(origin, run.instrument(span)).await;
        line.end_span(&mut work, response.status(), &id_text);
        add_headers(&mut response, id, started);
        response
    }
}

/// Writes a refusal's document into its answer; an error that no handler made gets the document of its status.
fn write_refusal(response: &mut Response, path: &str, request_id: &str) {
    let status = response.status();
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        return render(error, response, path, request_id);
    }
    if status.is_client_error() || status.is_server_error() {
        let named =
            response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind != "text/plain; charset=utf-8");
        if !named {
            render(of_status(status), response, path, request_id);
        }
    }
}

fn render(error: ApiError, response: &mut Response, path: &str, request_id: &str) {
    if v2::is_of_protocol(path) { v2::render(&error, response) } else { error.render(response, request_id) }
}

fn of_status(status: StatusCode) -> ApiError {
    let code = match status {
        StatusCode::NOT_FOUND => ErrorCode::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => ErrorCode::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ErrorCode::UnsupportedMedia,
        status if status.is_client_error() => ErrorCode::MalformedRequest,
        _ => ErrorCode::Internal,
    };
    ApiError::new(code, code.title())
}

fn add_headers(response: &mut Response, id: HeaderValue, started: Instant) {
    let headers = response.headers_mut();
    headers.insert(request_id::HEADER, id);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let time = format!("{:.2}ms", started.elapsed().as_secs_f64() * 1000.0);
    if let Ok(time) = HeaderValue::from_str(&time) {
        headers.insert(RESPONSE_TIME, time);
    }
}

/// What the log and the metrics say about a request.
struct AccessLine {
    method: Method,
    path: String,
    route: Option<MatchedPath>,
}

impl AccessLine {
    fn of(request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>().cloned();
        Self { method: request.method().clone(), path: request.uri().path().to_owned(), route }
    }

    /// A span under the client's own; questions whether the process is well belong to no trace.
    fn begin_span(&self, headers: &HeaderMap) -> Span {
        if self.path.starts_with("/health") || self.path == "/metrics" {
            return Span::default();
        }
        let given = headers.get(TraceContext::HEADER).and_then(|given| given.to_str().ok());
        Span::begin("request", SpanKind::Server, given.and_then(TraceContext::parse))
    }

    fn end_span(&self, span: &mut Span, status: StatusCode, request_id: &str) {
        let route = self.route.as_ref().map_or("none", MatchedPath::as_str);
        span.rename(format!("{} {route}", self.method));
        span.text("http.request.method", self.method.as_str());
        span.text("http.route", route);
        span.count("http.response.status_code", status.as_u16().into());
        span.text("ortolan.request_id", request_id);
        if status.is_server_error() {
            span.fail(status.as_str());
        }
    }

    fn log(&self, response: &Response, started: Instant) {
        let (took, status) = (started.elapsed(), response.status().as_u16());
        let (method, path, time_ms) = (self.method.as_str(), self.path.as_str(), took.as_secs_f64() * 1000.0);
        let cache = response.headers().get(X_CACHE).and_then(|word| word.to_str().ok());
        let route = self.route.as_ref().map_or("none", MatchedPath::as_str);
        if response.status().is_success() && is_too_quick_for_a_line(route) {
            tracing::debug!(target: "ortolan::access", method, path, status, time_ms, cache, "request answered");
        } else {
            tracing::info!(target: "ortolan::access", method, path, status, time_ms, cache, "request answered");
        }
        http_answered(method, route, status, took);
    }
}

/// Clients of the Open Inference Protocol may send so many requests that their lines would cost more than the answers; metrics
/// count them. Predictions over REST keep records, and have lines.
fn is_too_quick_for_a_line(route: &str) -> bool {
    route.ends_with("/infer")
}
