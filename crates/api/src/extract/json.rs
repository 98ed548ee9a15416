//! JSON bodies.

use axum::extract::{FromRequest, Request};
use http::{HeaderMap, header};
use ortolan_domain::{ErrorCode, FieldError};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::body::read_limited;
use crate::error::ApiError;
use crate::state::ApiState;

/// A JSON body: 400 when it is no JSON, 415 when it does not say that it is, 422 naming the field that does not fit.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<ApiState> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        require_json(&parts.headers)?;
        let bytes = read_limited(&parts.headers, body, state.settings().max_json_bytes).await?;
        parse_json(&bytes).map(Self)
    }
}

/// Refuses a body that is not announced as JSON. Browsers cannot send this type across origins without asking first.
pub fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json") {
        return Ok(());
    }
    Err(ApiError::new(ErrorCode::UnsupportedMedia, "the body must have the content type application/json"))
}

/// Reads JSON into a type and names the field that does not fit.
pub fn parse_json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        refusal(if path == "." { "body".to_owned() } else { path }, error.inner())
    })?;
    json.end().map_err(|error| refusal("body".to_owned(), &error))?;
    require_object("body", bytes)?;
    Ok(value)
}

/// Refuses JSON that is no object: a list would be taken for an object's fields in their order.
pub fn require_object(field: &str, json: &[u8]) -> Result<(), FieldError> {
    match json.trim_ascii_start().first() {
        Some(b'{') => Ok(()),
        _ => Err(FieldError::new(field, "must be an object")),
    }
}

fn refusal(field: String, error: &serde_json::Error) -> ApiError {
    if error.is_data() {
        return FieldError::new(field, error.to_string()).into();
    }
    ApiError::new(ErrorCode::MalformedRequest, format!("the body is no JSON: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::value::RawValue;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Thing {
        #[allow(dead_code)]
        count: u32,
        raw: Option<Box<RawValue>>,
    }

    #[test]
    fn malformed_json_and_unfit_fields_are_told_apart() {
        for bad in [&b""[..], b"{", b"nope", b"{\"count\":1} x", b"{\"count\": \"\xff\"}", b"\xff"] {
            assert_eq!(parse_json::<Thing>(bad).unwrap_err().code(), ErrorCode::MalformedRequest, "{bad:?}");
        }
        for bad in [r#"{"count":-1}"#, r#"{"count":1,"zzz":2}"#, "{}", "[]", "[1]", "null", r#"{"count":1,"count":2}"#]
        {
            assert_eq!(parse_json::<Thing>(bad.as_bytes()).unwrap_err().code(), ErrorCode::Invalid, "{bad:?}");
        }
    }

    #[test]
    fn what_is_kept_as_written_is_kept_as_written() {
        let thing: Thing = parse_json(br#"{"count":1,"raw":{"a": [1.50]}}"#).unwrap();
        assert_eq!(thing.raw.unwrap().get(), r#"{"a": [1.50]}"#);
    }
}
