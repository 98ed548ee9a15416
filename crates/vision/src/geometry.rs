//! Where a picture lies in a model's input, and the way back.

use serde::{Deserialize, Serialize};

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// How a picture was fitted into the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Framing {
    /// Resized as a whole, the rest padded.
    Letterbox(Letterbox),
    /// The middle was cut out; positions mean nothing any more.
    CentreCrop,
}

/// The numbers of a letterbox: the resized picture inside the padded input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
        let input = Size {
            width: resized.width + pad_left + pad_right,
            height: resized.height + pad_top + pad_bottom,
        };
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
    let ratio = (f64::from(outer.height) / f64::from(inner.height)).min(f64::from(outer.width) / f64::from(inner.width));
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
