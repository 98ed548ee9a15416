//! Why bytes are no picture that can be used; every text may be shown to whoever sent them.

use thiserror::Error;

use crate::facts::ImageFormat;

/// Says why a picture was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There are no bytes.
    #[error("there are no bytes")]
    Empty,
    /// The bytes are no picture of a known format, or use a part of one that is not supported.
    #[error("not a picture in a supported format (JPEG, PNG, GIF, WebP, TIFF, BMP, AVIF): {reason}")]
    Unsupported {
        /// What was found instead.
        reason: &'static str,
    },
    /// The format is clear, but the bytes are cut, corrupt or contradict themselves.
    #[error("the {format} picture is damaged: {reason}")]
    Corrupt {
        /// The format by its signature.
        format: ImageFormat,
        /// What is wrong.
        reason: &'static str,
    },
    /// The picture is larger than the limits, judged by its header.
    #[error(
        "a picture of {width} x {height} pixels is too large, the limits are {max_side} pixels a side and {max_pixels} in all"
    )]
    TooLarge {
        /// The width in the header.
        width: u64,
        /// The height in the header.
        height: u64,
        /// The limit on each side.
        max_side: u32,
        /// The limit on width times height.
        max_pixels: u64,
    },
    /// Decoding would need more memory or work than pictures of that size may have.
    #[error("the {format} picture would take too much to decode: {reason}")]
    TooCostly {
        /// The format by its signature.
        format: ImageFormat,
        /// What there is too much of.
        reason: &'static str,
    },
}
