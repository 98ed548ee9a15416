//! PNG, with everything but pixels and orientation left unread: no profile, no text.

use std::io::Cursor;

use ::png::{BitDepth, ColorType, Decoder, DecodingError, Limits, Reader, Transformations};
use image::metadata::Orientation;
use ortolan_vision::RgbImage;

use crate::{DecodeError, DecodeLimits, ImageFacts, ImageFormat, orientation, samples};

/// Memory that the decoder may take for chunks; rows and pixels do not count.
const MAX_CHUNK_BYTES: usize = 16 << 20;

type PngReader<'a> = Reader<Cursor<&'a [u8]>>;

pub(crate) fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<RgbImage, DecodeError> {
    let mut reader = open(bytes, limits)?;
    let (width, height) = reader.info().size();
    let orientation = stored_orientation(&reader);
    let channels = reader.output_color_type().0.samples();
    let length = reader
        .output_buffer_size()
        .ok_or(DecodeError::TooCostly { format: ImageFormat::Png, reason: "its rows are too long" })?;
    let mut pixels = vec![0; length];
    reader.next_frame(&mut pixels).map_err(refuse)?;
    let pixels = samples::to_rgb(pixels, channels);
    orientation::upright(width, height, pixels, orientation).ok_or(corrupt("its size and its pixels disagree"))
}

pub(crate) fn probe(bytes: &[u8], limits: &DecodeLimits) -> Result<ImageFacts, DecodeError> {
    let reader = open(bytes, limits)?;
    let (width, height) = reader.info().size();
    Ok(orientation::facts(ImageFormat::Png, width, height, stored_orientation(&reader)))
}

/// Reads the header, checks it and reads on to the pixels; they will come 8 bits deep, palettes resolved.
fn open<'a>(bytes: &'a [u8], limits: &DecodeLimits) -> Result<PngReader<'a>, DecodeError> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: MAX_CHUNK_BYTES });
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info().map_err(refuse)?;
    limits.check(header.width.into(), header.height.into())?;
    // Stripping takes the high byte of 16-bit samples, without rounding.
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let reader = decoder.read_info().map_err(refuse)?;
    match reader.output_color_type() {
        (ColorType::Indexed, _) => Err(corrupt("its palette is missing")),
        (_, BitDepth::Eight) => Ok(reader),
        _ => Err(corrupt("its bit depth does not fit its colour type")),
    }
}

fn stored_orientation(reader: &PngReader<'_>) -> Orientation {
    let exif = reader.info().exif_metadata.as_deref();
    exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms)
}

fn refuse(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::IoError(_) => corrupt("it ends before its last pixel"),
        DecodingError::LimitsExceeded => {
            DecodeError::TooCostly { format: ImageFormat::Png, reason: "its chunks are too large" }
        }
        DecodingError::Format(_) | DecodingError::Parameter(_) => corrupt("its contents break the format's rules"),
    }
}

fn corrupt(reason: &'static str) -> DecodeError {
    DecodeError::Corrupt { format: ImageFormat::Png, reason }
}
