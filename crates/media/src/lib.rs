//! Reads pictures from bytes that nobody vouches for, and writes pictures.
//!
//! Flow: [`probe_image`] tells a picture's format and upright size from its header; [`decode_image`] gives its pixels.
//! Both recognise the format by the bytes alone. [`shrink`], [`encode_jpeg`] and [`encode_png`] make
//! thumbnails and files of pixels.
//!
//! Invariants:
//! - One thread, no file access, nothing but the given slice.
//! - The header is checked against [`DecodeLimits`] before any memory is asked for; afterwards memory stays within a
//!   small multiple of the pixel limit.
//! - The same bytes always give the same answer, also when they are cut or corrupt. A picture that ends early is
//!   refused.
//! - Pixels equal those of the reference decoders: libjpeg-turbo's, libwebp's and libavif's defaults, the high byte of 16-bit
//!   samples, alpha dropped and not blended, grey copied to three channels, EXIF orientation applied.
//!
//! HEIC, JPEG XL and SVG are not among the formats, nor AVIF pictures that are put together from several.

mod avif;
mod encode;
mod error;
mod facts;
mod jpeg;
mod limits;
mod orientation;
mod others;
mod png;
mod samples;

pub use encode::{EncodeError, MAX_JPEG_EDGE_PX, encode_jpeg, encode_png, shrink};
pub use error::DecodeError;
pub use facts::{ImageFacts, ImageFormat};
pub use limits::DecodeLimits;
use ortolan_vision::RgbImage;

/// Decodes a picture (the first one of an animation or of several pages), upright.
pub fn decode_image(bytes: &[u8], limits: &DecodeLimits) -> Result<RgbImage, DecodeError> {
    match ImageFormat::recognise(bytes)? {
        ImageFormat::Jpeg => jpeg::decode(bytes, limits),
        ImageFormat::Png => png::decode(bytes, limits),
        ImageFormat::Avif => avif::decode(bytes, limits),
        format => others::decode(bytes, format, limits),
    }
}

/// Tells a picture's format and upright size from its header, within the same limits as decoding.
pub fn probe_image(bytes: &[u8], limits: &DecodeLimits) -> Result<ImageFacts, DecodeError> {
    match ImageFormat::recognise(bytes)? {
        ImageFormat::Jpeg => jpeg::probe(bytes, limits),
        ImageFormat::Png => png::probe(bytes, limits),
        ImageFormat::Avif => avif::probe(bytes, limits),
        format => others::probe(bytes, format, limits),
    }
}
