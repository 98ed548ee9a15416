//! Pages for people: self-contained, nothing is fetched from elsewhere.

use axum::Router;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};

/// Scripts, styles and data come from this service alone.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// The start page, the reference, and the OpenAPI document that it shows.
pub fn routes<S: Clone + Send + Sync + 'static>(document: Bytes) -> Router<S> {
    Router::new()
        .route("/", get(async || page(include_str!("start.html"))))
        .route("/docs", get(async || page(include_str!("docs.html"))))
        .route("/docs/docs.js", get(async || file("text/javascript; charset=utf-8", include_str!("docs.js"))))
        .route("/docs/style.css", get(async || file("text/css; charset=utf-8", include_str!("style.css"))))
        .route("/api/v1/openapi.json", get(openapi).with_state(document))
}

async fn openapi(State(document): State<Bytes>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], document).into_response()
}

fn page(html: &'static str) -> Response {
    ([(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY))], Html(html)).into_response()
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let headers: [(HeaderName, HeaderValue); 1] = [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
    (headers, text).into_response()
}
