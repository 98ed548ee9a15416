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

/// A format that pictures are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PictureFormat {
    /// Small, and not quite the same pixels.
    #[default]
    Jpeg,
    /// Exactly the same pixels.
    Png,
}

impl PictureFormat {
    /// All formats.
    pub const ALL: [Self; 2] = [Self::Jpeg, Self::Png];

    /// The word used in JSON and in addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
        }
    }

    /// Its media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }
}

/// How a picture is written as a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureWriting {
    /// The format.
    pub format: PictureFormat,
    /// The longest edge that the file may have, in pixels; nothing is ever enlarged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_edge_px: Option<u32>,
    /// JPEG quality, 1 to 100; means nothing for the others.
    pub quality: u8,
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
