//! The picture that enters this crate: upright, three 8-bit channels.

use thiserror::Error;

use crate::geometry::Size;

/// An upright picture, rows from the top, each pixel as red, green, blue bytes; both sides are at least 1, and
/// the pixels can be counted in 32 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbImage {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

/// Says why bytes are no picture of the stated size.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a picture of {width} x {height} pixels cannot have {bytes} bytes")]
pub struct PictureError {
    width: u32,
    height: u32,
    bytes: usize,
}

impl RgbImage {
    /// Takes `width * height * 3` bytes; an empty picture or another count of bytes is refused.
    pub fn new(width: u32, height: u32, pixels: Vec<u8>) -> Result<Self, PictureError> {
        let wanted = u64::from(width).checked_mul(u64::from(height)).and_then(|n| n.checked_mul(3));
        if wanted.is_none_or(|n| n == 0 || n / 3 > u64::from(u32::MAX) || n != pixels.len() as u64) {
            return Err(PictureError { width, height, bytes: pixels.len() });
        }
        Ok(Self { width, height, pixels })
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The bytes, row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    pub(crate) fn size(&self) -> Size {
        Size { width: self.width, height: self.height }
    }

    /// One row's bytes.
    pub(crate) fn row(&self, y: usize) -> &[u8] {
        let stride = self.width as usize * 3;
        &self.pixels[y * stride..][..stride]
    }

    /// Gives the bytes away.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bytes_must_fit_the_size() {
        assert_eq!(RgbImage::new(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap().into_pixels(), [1, 2, 3, 4, 5, 6]);
        assert!(RgbImage::new(2, 1, vec![0; 5]).is_err());
        assert!(RgbImage::new(0, 7, vec![]).is_err());
        assert!(RgbImage::new(u32::MAX, u32::MAX, vec![0; 3]).is_err());
    }
}
