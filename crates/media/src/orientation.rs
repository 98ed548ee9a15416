//! Turning stored pixels upright.

use image::{DynamicImage, metadata::Orientation};
use ortolan_vision::RgbImage;

use crate::{ImageFacts, ImageFormat};

/// Turns `width * height` RGB pixels upright; `None` when the count of bytes is another.
pub(crate) fn upright(width: u32, height: u32, pixels: Vec<u8>, orientation: Orientation) -> Option<RgbImage> {
    let mut image = DynamicImage::ImageRgb8(image::RgbImage::from_raw(width, height, pixels)?);
    image.apply_orientation(orientation);
    let (width, height) = (image.width(), image.height());
    RgbImage::new(width, height, image.into_rgb8().into_raw()).ok()
}

/// A picture's facts from its stored size.
pub(crate) fn facts(format: ImageFormat, width: u32, height: u32, orientation: Orientation) -> ImageFacts {
    let sideways = matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    );
    let (width, height) = if sideways { (height, width) } else { (width, height) };
    ImageFacts { format, width, height }
}
