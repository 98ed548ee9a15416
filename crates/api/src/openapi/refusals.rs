//! The error answers of an endpoint, as the document shows them.

use std::collections::BTreeMap;

use ortolan_domain::ErrorCode;
use utoipa::ToSchema;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::{Content, Ref, RefOr};

use super::ProblemDocument;

/// Names the codes that an endpoint may answer with, besides those that any endpoint may.
macro_rules! refusals {
    ($name:ident: $($code:ident),* $(,)?) => {
        #[doc = "The endpoint's own refusals."]
        pub struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<
                String,
                utoipa::openapi::RefOr<utoipa::openapi::response::Response>,
            > {
                $crate::openapi::answers(&[$(ortolan_domain::ErrorCode::$code),*])
            }
        }
    };
}
pub(crate) use refusals;

/// What any endpoint may answer with.
pub(crate) const ANYWHERE: [ErrorCode; 7] = [
    ErrorCode::MalformedRequest,
    ErrorCode::Unauthenticated,
    ErrorCode::Forbidden,
    ErrorCode::RateLimited,
    ErrorCode::Internal,
    ErrorCode::Unavailable,
    ErrorCode::Overloaded,
];

/// One answer per status, with the codes that it may carry.
pub(crate) fn answers(own: &[ErrorCode]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status = BTreeMap::<u16, Vec<ErrorCode>>::new();
    for code in ANYWHERE.iter().chain(own) {
        by_status.entry(code.status()).or_default().push(*code);
    }
    by_status.into_iter().map(|(status, codes)| (status.to_string(), answer(&codes).into())).collect()
}

fn answer(codes: &[ErrorCode]) -> Response {
    let lines: Vec<_> = codes.iter().map(|code| format!("`{code}`: {}.", code.title())).collect();
    let schema = Ref::from_schema_name(ProblemDocument::name());
    ResponseBuilder::new()
        .description(lines.join(" "))
        .content("application/problem+json", Content::new(Some(schema)))
        .build()
}
