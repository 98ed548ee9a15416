//! From an address to the picture that a task looks at.
//!
//! An object of the tenant's own is looked at where it lies. A picture from the web becomes a media object: what the task looks
//! at is then what was there when it was submitted. Either way a file that is no picture is refused before there is a task.

use futures::{Stream, TryStreamExt};
use ortolan_blobs::{BlobError, ObjectPath, ObjectUrl, ObjectUrlError};
use ortolan_domain::media::{Media, MediaFacts, MediaKind};
use ortolan_domain::task::TaskInput;
use ortolan_domain::{FieldError, MediaId, hash};
use ortolan_ml_client::ProbeMedia;
use ortolan_store::Tenant;
use sha2::{Digest, Sha256};

use crate::error::ApiError;
use crate::media::{delete_media, receive, refused_by_decoder, register};
use crate::state::ApiState;
use crate::upload::{UploadError, unfetched};

/// Addresses of the tenant's own media objects begin so.
const MEDIA: &str = "media://";

/// The picture that a task will look at.
pub struct Picture {
    /// As the task sees it.
    pub input: TaskInput,
    /// It was made for this request and goes again when there is no task.
    imported: Option<MediaId>,
}

impl Picture {
    fn own(input: TaskInput) -> Self {
        Self { input, imported: None }
    }

    /// The picture is not needed after all.
    pub async fn discard(self, state: &ApiState, tenant: &Tenant) -> Result<(), ApiError> {
        match self.imported {
            Some(id) => delete_media(state, tenant, id).await.map(drop),
            None => Ok(()),
        }
    }
}

/// The picture at an address.
pub async fn resolve(state: &ApiState, tenant: &Tenant, url: &str) -> Result<Picture, ApiError> {
    match url.split_once("://").map(|(scheme, _)| scheme) {
        Some("media") => of_media(state, tenant, url).await,
        Some("gs" | "s3") => of_object(state, tenant, url).await,
        Some("https") => of_web(state, tenant, url).await,
        _ => Err(ApiError::field("image_url", format!("must begin with {MEDIA}, gs://, s3:// or https://"))),
    }
}

async fn of_media(state: &ApiState, tenant: &Tenant, url: &str) -> Result<Picture, ApiError> {
    let id: Option<MediaId> = url.strip_prefix(MEDIA).and_then(|id| id.parse().ok());
    let id =
        id.ok_or_else(|| FieldError::new("image_url", format!("must be {MEDIA} and the UUID of a media object")))?;
    let media = state.stores.media.media(tenant.id, id).await?;
    let media = media.ok_or_else(|| ApiError::not_found(&format!("media object: image_url {MEDIA}{id}")))?;
    Ok(Picture::own(picture_of(&media)?))
}

/// An object in this installation's bucket; one that is not the tenant's is refused before anything is read.
async fn of_object(state: &ApiState, tenant: &Tenant, url: &str) -> Result<Picture, ApiError> {
    let path = ObjectUrl::parse(url).and_then(|url| state.blobs.resolve(&tenant.name, &url));
    let path = path.map_err(|error| not_the_tenants(&error, tenant))?;
    let sha256 = digest(state, &path).await?;
    let question = ProbeMedia { tenant: tenant.name.clone(), object_path: path.to_string() };
    require_picture(&state.inference.probe_media(question).await.map_err(refused_by_decoder)?)?;
    Ok(Picture::own(TaskInput { media_id: None, object_path: path.to_string(), sha256 }))
}

fn not_the_tenants(error: &ObjectUrlError, tenant: &Tenant) -> FieldError {
    let reason = format!("{error}; only objects under {}/ in this installation's bucket can be named", tenant.name);
    FieldError::new("image_url", reason)
}

/// SHA-256 of an object of at most the allowed size.
async fn digest(state: &ApiState, path: &ObjectPath) -> Result<String, ApiError> {
    let _place = state.limits.upload()?;
    let max_bytes = state.settings().max_media_bytes;
    let (facts, mut bytes) = state.blobs.stream(path, None).await.map_err(missing)?;
    if facts.size_bytes > max_bytes {
        return Err(BlobError::TooLarge { max_bytes }.into());
    }
    let mut digest = Sha256::new();
    while let Some(chunk) = bytes.try_next().await? {
        digest.update(&chunk);
    }
    Ok(hash::hex(&digest.finalize()))
}

fn missing(error: BlobError) -> ApiError {
    match error {
        BlobError::NotFound(_) => ApiError::not_found("object: image_url"),
        error => error.into(),
    }
}

/// A picture on the web, where the installation allows it.
async fn of_web(state: &ApiState, tenant: &Tenant, url: &str) -> Result<Picture, ApiError> {
    let Some(fetch) = &state.fetch else {
        let reason = "this installation takes no pictures from https:// addresses (outbound.fetch_pictures)";
        return Err(ApiError::field("image_url", reason));
    };
    let bytes = fetch.get(url, state.settings().max_media_bytes).await.map_err(|error| unfetched(&error))?;
    import(state, tenant, bytes.map_err(UploadError::Fetched)).await
}

async fn import<S>(state: &ApiState, tenant: &Tenant, bytes: S) -> Result<Picture, ApiError>
where
    S: Stream<Item = Result<axum::body::Bytes, UploadError>> + Send,
{
    let incoming = receive(state, tenant, None, bytes).await?;
    let media = register(state, tenant, incoming, None).await?;
    match picture_of(&media) {
        Ok(input) => Ok(Picture { input, imported: Some(media.id) }),
        Err(refusal) => {
            delete_media(state, tenant, media.id).await?;
            Err(refusal)
        }
    }
}

fn picture_of(media: &Media) -> Result<TaskInput, ApiError> {
    require_picture(&media.facts)?;
    let (object_path, sha256) = (media.object_path.clone(), media.sha256.clone());
    Ok(TaskInput { media_id: Some(media.id), object_path, sha256 })
}

fn require_picture(facts: &MediaFacts) -> Result<(), ApiError> {
    match facts.kind {
        MediaKind::Image => Ok(()),
        other => Err(ApiError::field("image_url", format!("must be a picture, this is {}", other.as_str()))),
    }
}
