//! Where a picture lies in a model's input, and the way back.

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// How a picture was fitted into the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Resized as a whole, the rest padded.
    Letterbox(Letterbox),
    /// The middle was cut out; positions mean nothing any more.
    CentreCrop,
}

/// The numbers of a letterbox: the resized picture inside the padded input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letterbox {
    /// The upright original.
    pub original: Size,
    /// The model's input, padding included.
    pub input: Size,
    /// The picture inside the input.
    pub resized: Size,
    /// Columns of padding left of the picture.
    pub pad_left: u32,
    /// Rows of padding above the picture.
    pub pad_top: u32,
}

impl Letterbox {
    /// Fits `original` into `target`, both sides at least 1; with a stride the padding shrinks to the least that
    /// reaches a multiple of it.
    ///
    /// Rounding is to nearest with halves to even; of an odd number of padding pixels the last goes right or below.
    pub fn fit(original: Size, target: Size, stride: Option<u32>) -> Self {
        let resized = fit_inside(original, target);
        let (pad_left, pad_right) = share(spare(target.width, resized.width, stride));
        let (pad_top, pad_bottom) = share(spare(target.height, resized.height, stride));
        let input = Size { width: resized.width + pad_left + pad_right, height: resized.height + pad_top + pad_bottom };
        Self { original, input, resized, pad_left, pad_top }
    }

    /// Input pixels per original pixel, across and down; they differ by the rounding of the resized size.
    pub fn gains(&self) -> (f64, f64) {
        (
            f64::from(self.resized.width) / f64::from(self.original.width),
            f64::from(self.resized.height) / f64::from(self.original.height),
        )
    }
}

/// The largest size of `inner`'s shape that fits into `outer`, at least 1 x 1.
pub(crate) fn fit_inside(inner: Size, outer: Size) -> Size {
    let ratio =
        (f64::from(outer.height) / f64::from(inner.height)).min(f64::from(outer.width) / f64::from(inner.width));
    let scaled = |side: u32, most: u32| ((f64::from(side) * ratio).round_ties_even() as u32).clamp(1, most.max(1));
    Size { width: scaled(inner.width, outer.width), height: scaled(inner.height, outer.height) }
}

fn spare(target: u32, resized: u32, stride: Option<u32>) -> u32 {
    let free = target - resized;
    stride.map_or(free, |stride| free % stride.max(1))
}

/// Shares padding between both sides.
pub(crate) fn share(padding: u32) -> (u32, u32) {
    let half = f64::from(padding) / 2.0;
    ((half - 0.1).round_ties_even() as u32, (half + 0.1).round_ties_even() as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn size(width: u32, height: u32) -> Size {
        Size { width, height }
    }

    #[test]
    fn a_hair_of_a_picture_keeps_one_pixel() {
        let letterbox = Letterbox::fit(size(1, 60_000), size(160, 160), None);
        assert_eq!(letterbox.resized, size(1, 160));
        assert_eq!((letterbox.pad_left, letterbox.pad_top), (79, 0));
    }

    #[test]
    fn the_odd_pixel_of_padding_goes_right() {
        assert_eq!(share(9), (4, 5));
        assert_eq!(share(2), (1, 1));
        assert_eq!(share(0), (0, 0));
    }

    #[test]
    fn with_a_stride_the_padding_shrinks() {
        assert_eq!(Letterbox::fit(size(640, 480), size(160, 160), Some(16)).input, size(160, 128));
        assert_eq!(Letterbox::fit(size(640, 480), size(160, 160), None).input, size(160, 160));
    }

    proptest! {
        #[test]
        fn the_picture_fills_one_side_and_the_input_is_a_multiple(
            (width, height) in (1..70_000_u32, 1..70_000_u32), (across, down) in (1..40_u32, 1..40_u32), stride in 1..40_u32,
        ) {
            let target = size(across * stride, down * stride);
            let full = Letterbox::fit(size(width, height), target, None);
            prop_assert_eq!(full.input, target);
            prop_assert!(full.resized.width == target.width || full.resized.height == target.height);
            let shrunk = Letterbox::fit(size(width, height), target, Some(stride));
            prop_assert_eq!(shrunk.resized, full.resized);
            prop_assert!(shrunk.input.width.is_multiple_of(stride) && shrunk.input.height.is_multiple_of(stride));
            prop_assert!(shrunk.input.width - shrunk.resized.width < stride && shrunk.input.height - shrunk.resized.height < stride);
        }
    }
}
