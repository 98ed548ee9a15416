//! What browsers are told about calls from pages of other origins.

use std::time::Duration;

use axum::extract::Request;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may remember what it was told.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// What an answer depends on beside its address, whoever asks.
const VARY: HeaderValue =
    HeaderValue::from_static("origin, access-control-request-method, access-control-request-headers");

/// False for what no page of another origin can have sent, which has no use for the headers of [`cors`].
pub fn concerns_browsers(request: &Request) -> bool {
    request.method() == Method::OPTIONS || request.headers().contains_key(header::ORIGIN)
}

/// Tells caches that a page may get another answer.
pub fn vary_by_origin(headers: &mut HeaderMap) {
    headers.append(header::VARY, VARY);
}

/// Lets pages of these origins call; `*` stands for any. Cookies are never sent across origins, only keys.
pub fn cors(origins: &[String]) -> CorsLayer {
    let origin = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()))
    };
    CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(
            [header::AUTHORIZATION, header::CONTENT_TYPE, header::RANGE]
                .into_iter()
                .chain(names(&[
                    "x-api-key",
                    "x-tenant-id",
                    "x-request-id",
                    "traceparent",
                    "idempotency-key",
                    "prefer",
                    "last-event-id",
                ]))
                .collect::<Vec<_>>(),
        )
        .expose_headers(
            [header::LOCATION, header::RETRY_AFTER, header::CONTENT_RANGE, header::ETAG]
                .into_iter()
                .chain(names(&["x-request-id", "x-response-time", "x-cache", "preference-applied"]))
                .collect::<Vec<_>>(),
        )
        .max_age(MAX_AGE)
}

fn names(names: &[&'static str]) -> Vec<HeaderName> {
    names.iter().copied().map(HeaderName::from_static).collect()
}
