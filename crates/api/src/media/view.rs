//! A media object as clients see it.

use ortolan_domain::media::Media;
use ortolan_domain::{MediaId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// A media object.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Media)]
pub struct MediaView {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    pub media_id: MediaId,
    /// `image`, `audio` or `video`.
    pub kind: &'static str,
    /// Its media type, decided by its content.
    pub content_type: String,
    /// The name of the uploaded file.
    pub file_name: Option<String>,
    /// Its size.
    pub size_bytes: u64,
    /// SHA-256 of its bytes in hexadecimal.
    pub sha256: String,
    /// Width in pixels, upright; `null` for sounds.
    pub width: Option<u32>,
    /// Height in pixels, upright; `null` for sounds.
    pub height: Option<u32>,
    /// Length in milliseconds; `null` for pictures.
    pub duration_ms: Option<u64>,
    /// When it was uploaded.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<Media> for MediaView {
    fn from(media: Media) -> Self {
        Self {
            media_id: media.id,
            kind: media.facts.kind.as_str(),
            content_type: media.facts.content_type,
            file_name: media.file_name,
            size_bytes: media.size_bytes,
            sha256: media.sha256,
            width: media.facts.width,
            height: media.facts.height,
            duration_ms: media.facts.duration_ms,
            created_at: media.created_at,
        }
    }
}
