//! Writes pictures: as JPEG or PNG, and smaller than they were.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ::png::{BitDepth, ColorType, Compression, Encoder, EncodingError};
use image::{ImageBuffer, Rgb, imageops};
use mozjpeg::{ColorSpace, Compress};
use ortolan_vision::RgbImage;

/// The longest edge that a JPEG can have.
pub const MAX_JPEG_EDGE_PX: u32 = 65_500;

/// Why a picture could not be written.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// An edge is longer than the format allows.
    #[error("a JPEG has at most {MAX_JPEG_EDGE_PX} pixels in width and height, the picture has {width} x {height}")]
    TooLarge {
        /// The picture's width.
        width: u32,
        /// The picture's height.
        height: u32,
    },
    /// The encoder failed.
    #[error("the picture could not be written as JPEG")]
    Jpeg(#[source] io::Error),
    /// The encoder failed.
    #[error("the picture could not be written as PNG")]
    Png(#[source] EncodingError),
}

/// Writes a picture as a baseline JPEG; `quality` is from 1 to 100.
pub fn encode_jpeg(image: &RgbImage, quality: u8) -> Result<Vec<u8>, EncodeError> {
    let (width, height) = (image.width(), image.height());
    if width.max(height) > MAX_JPEG_EDGE_PX {
        return Err(EncodeError::TooLarge { width, height });
    }
    // The binding reports the C library's errors by unwinding out of it.
    let written = catch_unwind(AssertUnwindSafe(|| write_jpeg(image, quality)));
    written.unwrap_or_else(|_| Err(io::ErrorKind::InvalidData.into())).map_err(EncodeError::Jpeg)
}

fn write_jpeg(image: &RgbImage, quality: u8) -> io::Result<Vec<u8>> {
    let mut encoder = Compress::new(ColorSpace::JCS_RGB);
    encoder.set_size(image.width() as usize, image.height() as usize);
    // MozJPEG's searches for a smaller file take seconds for a large picture.
    encoder.set_fastest_defaults();
    encoder.set_optimize_coding(true);
    encoder.set_quality(f32::from(quality.clamp(1, 100)));
    let mut encoder = encoder.start_compress(Vec::new())?;
    encoder.write_scanlines(image.pixels())?;
    encoder.finish()
}

/// Writes a picture as a PNG, quickly rather than as small as can be.
pub fn encode_png(image: &RgbImage) -> Result<Vec<u8>, EncodeError> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, image.width(), image.height());
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(image.pixels())?;
        writer.finish()
    });
    written.map(|()| file).map_err(EncodeError::Png)
}

/// The picture with a longest edge of `longest_edge_px`, each pixel the mean of those it stands for; `None` when the picture
/// is not larger than that.
pub fn shrink(image: &RgbImage, longest_edge_px: u32) -> Option<RgbImage> {
    let (width, height) = (image.width(), image.height());
    let longest = width.max(height);
    if longest <= longest_edge_px || longest_edge_px == 0 {
        return None;
    }
    let scaled = |edge: u32| {
        let edge = (f64::from(edge) * f64::from(longest_edge_px) / f64::from(longest)).round();
        (edge as u32).max(1)
    };
    let pixels = ImageBuffer::<Rgb<u8>, &[u8]>::from_raw(width, height, image.pixels())?;
    let small = imageops::thumbnail(&pixels, scaled(width), scaled(height));
    RgbImage::new(small.width(), small.height(), small.into_raw()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{DecodeLimits, decode_image};

    fn ramp(width: u32, height: u32) -> RgbImage {
        let pixel = |at: u32| [(at % width * 255 / width) as u8, (at / width * 255 / height) as u8, 128];
        RgbImage::new(width, height, (0..width * height).flat_map(pixel).collect()).unwrap()
    }

    #[test]
    fn a_written_picture_reads_the_same_and_as_jpeg_almost() {
        let picture = ramp(67, 43);
        let jpeg = encode_jpeg(&picture, 90).unwrap();
        let read = decode_image(&jpeg, &DecodeLimits::default()).unwrap();
        assert_eq!((read.width(), read.height()), (67, 43));
        let worst = picture.pixels().iter().zip(read.pixels()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(worst < 24, "off by {worst}");
        assert!(encode_jpeg(&picture, 10).unwrap().len() < jpeg.len());
        let png = encode_png(&picture).unwrap();
        assert_eq!(decode_image(&png, &DecodeLimits::default()).unwrap(), picture);
    }

    #[test]
    fn a_thumbnail_keeps_the_shape_and_nothing_is_enlarged() {
        let small = shrink(&ramp(400, 100), 40).unwrap();
        assert_eq!((small.width(), small.height()), (40, 10));
        // The mean of the first ten columns of the ramp.
        assert!(small.pixels()[0].abs_diff(3) <= 2, "{}", small.pixels()[0]);
        let hair = shrink(&ramp(1000, 2), 10).unwrap();
        assert_eq!((hair.width(), hair.height()), (10, 1));
        assert_eq!((shrink(&ramp(40, 10), 40), shrink(&ramp(40, 10), 0)), (None, None));
    }

    #[test]
    fn a_picture_too_wide_for_the_format_is_refused() {
        let wide = RgbImage::new(MAX_JPEG_EDGE_PX + 1, 1, vec![0; 3 * (MAX_JPEG_EDGE_PX as usize + 1)]).unwrap();
        assert!(matches!(encode_jpeg(&wide, 85), Err(EncodeError::TooLarge { .. })));
    }
}
