//! JPEG through libjpeg-turbo's decoder (as kept in MozJPEG, whose decoding is unchanged), for its exact pixels.
//!
//! Errors inside the C library unwind to [`pixels::decode`], which is how the library's binding is meant to be used;
//! they need a build whose panics unwind.

mod header;
mod pixels;

use ortolan_vision::RgbImage;

use crate::{DecodeError, DecodeLimits, ImageFacts, ImageFormat, orientation};
use header::Header;

/// Most scans of a picture: each one goes over all pixels, and no encoder writes nearly as many.
const MAX_SCANS: usize = 100;

pub(crate) fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<RgbImage, DecodeError> {
    let header = read_header(bytes, limits)?;
    if header::count_scans(bytes) > MAX_SCANS {
        return Err(DecodeError::TooCostly { format: ImageFormat::Jpeg, reason: "it has too many scans" });
    }
    let pixels = pixels::decode(bytes, &header)?;
    orientation::upright(header.width.into(), header.height.into(), pixels, header.orientation)
        .ok_or(corrupt("its size and its pixels disagree"))
}

pub(crate) fn probe(bytes: &[u8], limits: &DecodeLimits) -> Result<ImageFacts, DecodeError> {
    let header = read_header(bytes, limits)?;
    Ok(orientation::facts(ImageFormat::Jpeg, header.width.into(), header.height.into(), header.orientation))
}

fn read_header(bytes: &[u8], limits: &DecodeLimits) -> Result<Header, DecodeError> {
    let header = Header::read(bytes)?;
    limits.check(header.width.into(), header.height.into())?;
    Ok(header)
}

fn corrupt(reason: &'static str) -> DecodeError {
    DecodeError::Corrupt { format: ImageFormat::Jpeg, reason }
}
