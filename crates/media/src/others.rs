//! GIF, WebP, TIFF and BMP through the `image` crate.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits, metadata::Orientation};
use ortolan_vision::RgbImage;

use crate::{DecodeError, DecodeLimits, ImageFacts, ImageFormat, orientation, samples};

/// Memory that a decoder may take for each pixel of the limit: its output, and as much again for what lies between.
const BYTES_PER_PIXEL: u64 = 8;

pub(crate) fn decode(bytes: &[u8], format: ImageFormat, limits: &DecodeLimits) -> Result<RgbImage, DecodeError> {
    let mut decoder = open(bytes, format, limits)?;
    let orientation = stored_orientation(&mut decoder);
    let (width, height) = decoder.dimensions();
    let image = DynamicImage::from_decoder(decoder).map_err(|error| refuse(format, &error))?;
    let (pixels, channels) = eight_bits(image)?;
    let pixels = samples::to_rgb(pixels, channels);
    orientation::upright(width, height, pixels, orientation)
        .ok_or(DecodeError::Corrupt { format, reason: "its size and its pixels disagree" })
}

pub(crate) fn probe(bytes: &[u8], format: ImageFormat, limits: &DecodeLimits) -> Result<ImageFacts, DecodeError> {
    let mut decoder = open(bytes, format, limits)?;
    let (width, height) = decoder.dimensions();
    Ok(orientation::facts(format, width, height, stored_orientation(&mut decoder)))
}

/// Reads the header and checks it: `from_decoder` would allocate whatever the header asks for.
fn open<'a>(
    bytes: &'a [u8],
    format: ImageFormat,
    limits: &DecodeLimits,
) -> Result<impl ImageDecoder + 'a, DecodeError> {
    let mut budget = Limits::no_limits();
    budget.max_alloc = Some(BYTES_PER_PIXEL * limits.max_pixels);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format.codec());
    reader.limits(budget);
    let decoder = reader.into_decoder().map_err(|error| refuse(format, &error))?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(DecodeError::Corrupt { format, reason: "its width or height is zero" });
    }
    limits.check(width.into(), height.into())?;
    if decoder.total_bytes() > BYTES_PER_PIXEL * limits.max_pixels {
        return Err(DecodeError::TooCostly { format, reason: "its samples are too wide" });
    }
    Ok(decoder)
}

/// An orientation that cannot be read counts as none.
fn stored_orientation(decoder: &mut impl ImageDecoder) -> Orientation {
    decoder.orientation().unwrap_or(Orientation::NoTransforms)
}

/// The samples and the count of channels; of 16-bit samples the high byte.
fn eight_bits(image: DynamicImage) -> Result<(Vec<u8>, usize), DecodeError> {
    let high_bytes = |samples: Vec<u16>| samples.into_iter().map(|sample| (sample >> 8) as u8).collect();
    let channels = usize::from(image.color().channel_count());
    let samples = match image {
        DynamicImage::ImageLuma8(image) => image.into_raw(),
        DynamicImage::ImageLumaA8(image) => image.into_raw(),
        DynamicImage::ImageRgb8(image) => image.into_raw(),
        DynamicImage::ImageRgba8(image) => image.into_raw(),
        DynamicImage::ImageLuma16(image) => high_bytes(image.into_raw()),
        DynamicImage::ImageLumaA16(image) => high_bytes(image.into_raw()),
        DynamicImage::ImageRgb16(image) => high_bytes(image.into_raw()),
        DynamicImage::ImageRgba16(image) => high_bytes(image.into_raw()),
        _ => return Err(DecodeError::Unsupported { reason: "its samples are not integers of 8 or 16 bits" }),
    };
    Ok((samples, channels))
}

fn refuse(format: ImageFormat, error: &ImageError) -> DecodeError {
    match error {
        ImageError::Limits(_) => DecodeError::TooCostly { format, reason: "it would take too much memory" },
        ImageError::Unsupported(_) => {
            DecodeError::Unsupported { reason: "it uses a part of its format that is not read" }
        }
        _ => DecodeError::Corrupt { format, reason: "it is cut or breaks the format's rules" },
    }
}
