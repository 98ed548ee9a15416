//! Uploaded pictures, sounds and videos.

use serde::{Deserialize, Serialize};

use crate::id::{MediaId, TenantId};
use crate::tenant::TenantSlug;
use crate::time::Timestamp;

/// What kind of thing a media object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// A still picture.
    Image,
    /// Sound.
    Audio,
    /// Moving pictures.
    Video,
}

impl MediaKind {
    /// The word used in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Image, Self::Audio, Self::Video].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What a decoder says about a media object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MediaFacts {
    /// Picture, sound or video.
    pub kind: MediaKind,
    /// The media type by content, never by name.
    pub content_type: String,
    /// Width in pixels, upright.
    pub width: Option<u32>,
    /// Height in pixels, upright.
    pub height: Option<u32>,
    /// Length in milliseconds, of sounds and videos.
    pub duration_ms: Option<u64>,
}

/// A stored media object.
#[derive(Debug, Clone, PartialEq)]
pub struct Media {
    /// Its id.
    pub id: MediaId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// What the decoder said.
    pub facts: MediaFacts,
    /// The file name the client gave, for display only: never part of a path.
    pub file_name: Option<String>,
    /// Size of the stored bytes.
    pub size_bytes: u64,
    /// SHA-256 of the stored bytes in hexadecimal.
    pub sha256: String,
    /// Where the bytes lie in the object store.
    pub object_path: String,
    /// When it was stored.
    pub created_at: Timestamp,
}

/// Where a media object's bytes lie.
pub fn object_path(tenant: &TenantSlug, media: MediaId) -> String {
    format!("{tenant}/media/{media}")
}
