//! `GET /media/{id}/content`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use ortolan_domain::MediaId;
use ortolan_domain::media::Media;

use super::range::{Wanted, wanted};
use super::receive::stored_path;
use crate::auth::{Access, ReadAccess};
use crate::error::ApiError;
use crate::extract::{IdPath, is_known};
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(ContentRefusals: NotFound);

/// Reads the bytes of a media object
///
/// One range can be asked for; the entity tag is the SHA-256 of the bytes. Needs scope `read`.
#[utoipa::path(
    get, path = "/media/{media_id}/content", tag = "media",
    params(
        ("media_id" = String, Path, format = Uuid),
        ("Range" = Option<String>, Header, description = "One range, for instance `bytes=0-1023`."),
        ("If-Range" = Option<String>, Header, description = "The range is meant for the bytes with this entity tag."),
        ("If-None-Match" = Option<String>, Header, description = "An entity tag that the client has."),
    ),
    responses(
        (status = 200, description = "All bytes.", body = Vec<u8>, content_type = "*/*"),
        (status = 206, description = "The range.", body = Vec<u8>, content_type = "*/*"),
        (status = 304, description = "The client has it."),
        (status = 416, description = "The range begins behind the end.", body = crate::openapi::ProblemDocument, content_type = "application/problem+json"),
        ContentRefusals,
    ),
)]
pub async fn media_content(
    State(state): State<ApiState>,
    Access { tenant, .. }: ReadAccess,
    IdPath(id): IdPath<MediaId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let media = state.stores.media.media(tenant.id, id).await?;
    let media = media.ok_or_else(|| ApiError::not_found("media object"))?;
    let tag = format!("\"{}\"", media.sha256);
    let mut response = Response::new(Body::empty());
    add_headers(response.headers_mut(), &media, &tag)?;
    if is_known(&headers, &tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    let range =
        text(&headers, header::RANGE).filter(|_| text(&headers, header::IF_RANGE).is_none_or(|seen| seen == tag));
    let (range, length) = match wanted(range, media.size_bytes) {
        Wanted::All => (None, media.size_bytes),
        Wanted::Part(range) => (Some(range.clone()), range.end - range.start),
        Wanted::Unsatisfiable => return Err(ApiError::unsatisfiable_range(media.size_bytes)),
    };
    if let Some(range) = &range {
        let shown = format!("bytes {}-{}/{}", range.start, range.end - 1, media.size_bytes);
        response.headers_mut().insert(header::CONTENT_RANGE, value(&shown)?);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    let (_, bytes) = state.blobs.stream(&stored_path(&tenant.name, &media)?, range).await?;
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    *response.body_mut() = Body::from_stream(bytes);
    Ok(response)
}

fn add_headers(headers: &mut HeaderMap, media: &Media, tag: &str) -> Result<(), ApiError> {
    headers.insert(header::CONTENT_TYPE, value(&media.facts.content_type)?);
    headers.insert(header::ETAG, value(tag)?);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    // Whatever the bytes are, a browser that opens them runs nothing in our name.
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    headers.insert(header::CONTENT_DISPOSITION, value(&disposition(media.file_name.as_deref()))?);
    Ok(())
}

/// The file's name as RFC 6266 wants it: in ASCII for old clients, and percent-encoded UTF-8 for the others.
fn disposition(file_name: Option<&str>) -> String {
    let Some(name) = file_name else { return "inline".to_owned() };
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._- ".contains(c) { c } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("inline; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn value(text: &str) -> Result<HeaderValue, ApiError> {
    HeaderValue::from_str(text).map_err(|error| ApiError::internal(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_cannot_leave_its_quotes() {
        assert_eq!(
            disposition(Some("a\"; x=y\r\nü.png")),
            "inline; filename=\"a__ x_y___.png\"; filename*=UTF-8''a%22%3B%20x%3Dy%0D%0A%C3%BC.png"
        );
        assert_eq!(disposition(None), "inline");
    }
}
