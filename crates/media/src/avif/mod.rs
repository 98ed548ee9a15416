//! AVIF: a container of our own reading, and the AV1 decoder rav1d, on one thread and without assembly.
//!
//! The size that the container names is checked before the decoder sees a byte, and the decoder refuses frames that are larger.
//! Alpha is not decoded at all: it is dropped from every format. Of a sequence the still picture is read.

mod boxes;
mod colour;
mod container;
mod decoder;
mod planes;

use std::panic::{AssertUnwindSafe, catch_unwind};

use ortolan_vision::RgbImage;

use self::container::Container;
use crate::{DecodeError, DecodeLimits, ImageFacts, ImageFormat, orientation};

pub(crate) use self::container::is_avif;

pub(crate) fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<RgbImage, DecodeError> {
    let container = open(bytes, limits)?;
    // The decoder's interface panics on reserved values.
    let decoded = catch_unwind(AssertUnwindSafe(|| decoder::decode(&container)));
    let decoded = decoded.unwrap_or_else(|_| Err(corrupt("its contents contradict each other")))?;
    let colour = container.colour.unwrap_or(decoded.colour);
    let rgb = colour::to_rgb(&decoded.planes, colour);
    orientation::upright(container.width, container.height, rgb, container.orientation)
        .ok_or(corrupt("its size and its pixels disagree"))
}

pub(crate) fn probe(bytes: &[u8], limits: &DecodeLimits) -> Result<ImageFacts, DecodeError> {
    let container = open(bytes, limits)?;
    Ok(orientation::facts(ImageFormat::Avif, container.width, container.height, container.orientation))
}

fn open<'a>(bytes: &'a [u8], limits: &DecodeLimits) -> Result<Container<'a>, DecodeError> {
    let container = Container::read(bytes)?;
    if container.width == 0 || container.height == 0 {
        return Err(corrupt("its width or height is zero"));
    }
    limits.check(container.width.into(), container.height.into())?;
    Ok(container)
}

fn corrupt(reason: &'static str) -> DecodeError {
    DecodeError::Corrupt { format: ImageFormat::Avif, reason }
}
