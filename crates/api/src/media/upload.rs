//! `POST /media`.

use std::borrow::Cow;

use axum::Json;
use axum::extract::{Request, State};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use ortolan_domain::{ErrorCode, FieldError};
use ortolan_store::Tenant;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

use super::receive::{Incoming, receive, register};
use super::view::MediaView;
use crate::auth::{Access, WriteAccess};
use crate::error::ApiError;
use crate::extract::IdempotencyKey;
use crate::openapi::refusals;
use crate::state::ApiState;
use crate::upload::{Form, bytes_of};

refusals!(UploadRefusals: TooLarge, UnsupportedMedia, CorruptMedia, Invalid, OutOfMemory, IdempotencyConflict, DeadlineExceeded);

/// A form with one file.
pub struct MediaForm;

impl PartialSchema for MediaForm {
    fn schema() -> RefOr<Schema> {
        let file = ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .description(Some("The file itself."));
        ObjectBuilder::new().property("file", file).required("file").into()
    }
}

impl ToSchema for MediaForm {
    fn name() -> Cow<'static, str> {
        "MediaForm".into()
    }
}

/// Uploads a picture, a sound or a video
///
/// As a form with the part `file`, or as the raw body with its content type. What it is is decided by its content. Bytes that
/// no decoder accepts are refused and not kept. Needs scope `write`.
#[utoipa::path(
    post, path = "/media", tag = "media",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and bytes give the same media object.")),
    request_body(content((MediaForm = "multipart/form-data"), (Vec<u8> = "image/*"), (Vec<u8> = "audio/*"), (Vec<u8> = "video/*"))),
    responses(
        (status = 201, description = "Stored.", body = MediaView, headers(("Location" = String, description = "Where it is."))),
        UploadRefusals,
    ),
)]
pub async fn upload_media(
    State(state): State<ApiState>,
    Access { tenant, .. }: WriteAccess,
    idempotency: IdempotencyKey,
    request: Request,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<MediaView>), ApiError> {
    let incoming = receive_file(&state, &tenant, request).await?;
    let promise = idempotency.promise(&state, &["POST /media", &incoming.stored.sha256]);
    let media = register(&state, &tenant, incoming, promise).await?;
    let location = format!("/api/v1/media/{}", media.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(media.into())))
}

async fn receive_file(state: &ApiState, tenant: &Tenant, request: Request) -> Result<Incoming, ApiError> {
    let (parts, body) = request.into_parts();
    match Form::read(&parts.headers, body, state.settings())? {
        Ok(form) => receive_part(state, tenant, form).await,
        Err(body) => {
            require_media_type(&parts.headers)?;
            receive(state, tenant, None, bytes_of(body, state.settings().upload_idle_timeout)).await
        }
    }
}

async fn receive_part(state: &ApiState, tenant: &Tenant, mut form: Form) -> Result<Incoming, ApiError> {
    let missing = || FieldError::new("file", "the form has no part of this name");
    let mut part = form.next_part().await?.ok_or_else(missing)?;
    if part.name != "file" {
        return Err(part.unexpected("one part 'file'"));
    }
    let file_name = part.file_name.take();
    let incoming = receive(state, tenant, file_name, part.into_stream()).await?;
    let rest = form.next_part().await;
    match rest {
        Ok(None) => Ok(incoming),
        Ok(Some(part)) => refuse(incoming, part.unexpected("one part 'file'")).await,
        Err(error) => refuse(incoming, error).await,
    }
}

async fn refuse(incoming: Incoming, error: ApiError) -> Result<Incoming, ApiError> {
    incoming.object.discard().await;
    Err(error)
}

fn require_media_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default().to_ascii_lowercase();
    let taken = [&b"image/"[..], b"audio/", b"video/", b"application/octet-stream"];
    if taken.iter().any(|begin| kind.starts_with(begin)) {
        return Ok(());
    }
    let detail = "the body must be a form with the part 'file', or have an image, audio or video content type";
    Err(ApiError::new(ErrorCode::UnsupportedMedia, detail))
}
