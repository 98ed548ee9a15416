//! The picture that enters this crate: upright, three 8-bit channels.

use serde::{Deserialize, Serialize};
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

    /// Gives the bytes away.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// All of it, to be looked at without a copy.
    pub fn view(&self) -> PictureView<'_> {
        PictureView { image: self, left: 0, top: 0, size: Size { width: self.width, height: self.height } }
    }

    /// What `region` and the picture have in common, to be looked at without a copy; nothing when they do not meet.
    pub fn region(&self, region: PixelRegion) -> Option<PictureView<'_>> {
        let width = region.left.saturating_add(region.width).min(self.width).checked_sub(region.left)?;
        let height = region.top.saturating_add(region.height).min(self.height).checked_sub(region.top)?;
        let size = Size { width, height };
        (width > 0 && height > 0).then_some(PictureView { image: self, left: region.left, top: region.top, size })
    }
}

/// A rectangle of whole pixels, wherever it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PixelRegion {
    /// Columns left of it.
    pub left: u32,
    /// Rows above it.
    pub top: u32,
    /// Its width.
    pub width: u32,
    /// Its height.
    pub height: u32,
}

/// A rectangle of a picture, borrowed; both sides are at least 1.
#[derive(Debug, Clone, Copy)]
pub struct PictureView<'a> {
    image: &'a RgbImage,
    left: u32,
    top: u32,
    size: Size,
}

impl<'a> PictureView<'a> {
    /// Width and height in pixels.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Where its first pixel lies in the picture: columns from the left, rows from the top.
    pub fn origin(&self) -> (u32, u32) {
        (self.left, self.top)
    }

    pub(crate) fn width(&self) -> u32 {
        self.size.width
    }

    pub(crate) fn height(&self) -> u32 {
        self.size.height
    }

    /// One row's bytes.
    pub(crate) fn row(&self, y: usize) -> &'a [u8] {
        let first = ((self.top as usize + y) * self.image.width as usize + self.left as usize) * 3;
        &self.image.pixels[first..][..self.size.width as usize * 3]
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

    #[test]
    fn a_region_is_cut_to_the_picture() {
        let image = RgbImage::new(4, 3, (0..36).collect()).unwrap();
        let region = |left, top, width, height| image.region(PixelRegion { left, top, width, height });
        let view = region(2, 1, 9, 1).unwrap();
        assert_eq!((view.size(), view.origin()), (Size { width: 2, height: 1 }, (2, 1)));
        assert_eq!(view.row(0), [18, 19, 20, 21, 22, 23]);
        assert!(region(4, 0, 1, 1).is_none(), "beside the picture");
        assert!(region(0, 7, u32::MAX, u32::MAX).is_none(), "below it");
        assert!(region(1, 1, 0, 1).is_none(), "nothing");
    }
}
