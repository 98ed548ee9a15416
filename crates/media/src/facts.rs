//! Picture formats, recognised by their first bytes.

use std::fmt;

use crate::{DecodeError, avif};

/// A picture format that can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImageFormat {
    /// JPEG.
    Jpeg,
    /// PNG; of an animated one the still picture.
    Png,
    /// GIF; of an animated one the first frame.
    Gif,
    /// WebP; of an animated one the first frame.
    WebP,
    /// TIFF; of several pages the first.
    Tiff,
    /// BMP.
    Bmp,
    /// AVIF; of a sequence the still picture.
    Avif,
}

/// What a picture's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageFacts {
    /// The format.
    pub format: ImageFormat,
    /// Width in pixels, upright.
    pub width: u32,
    /// Height in pixels, upright.
    pub height: u32,
}

impl ImageFacts {
    /// The media type to store and serve the picture with.
    pub fn content_type(&self) -> &'static str {
        self.format.content_type()
    }
}

impl ImageFormat {
    /// The format's media type.
    pub fn content_type(self) -> &'static str {
        self.codec().to_mime_type()
    }

    /// The `image` crate's name of the format.
    pub(crate) fn codec(self) -> image::ImageFormat {
        match self {
            Self::Jpeg => image::ImageFormat::Jpeg,
            Self::Png => image::ImageFormat::Png,
            Self::Gif => image::ImageFormat::Gif,
            Self::WebP => image::ImageFormat::WebP,
            Self::Tiff => image::ImageFormat::Tiff,
            Self::Bmp => image::ImageFormat::Bmp,
            Self::Avif => image::ImageFormat::Avif,
        }
    }

    /// Recognises a format by its signature.
    pub(crate) fn recognise(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Ok(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Ok(Self::Png),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Ok(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Ok(Self::WebP),
            [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Ok(Self::Tiff),
            [b'B', b'M', ..] => Ok(Self::Bmp),
            [] => Err(DecodeError::Empty),
            [_, _, _, _, b'f', b't', b'y', b'p', ..] if avif::is_avif(bytes) => Ok(Self::Avif),
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => {
                Err(DecodeError::Unsupported { reason: "HEIC and video are not read as pictures" })
            }
            _ => Err(DecodeError::Unsupported { reason: "the first bytes are unknown" }),
        }
    }
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Gif => "GIF",
            Self::WebP => "WebP",
            Self::Tiff => "TIFF",
            Self::Bmp => "BMP",
            Self::Avif => "AVIF",
        })
    }
}
