//! A classifier's input: the shortest side scaled to the input's, then the middle.

use super::{antialias, samples::Sample};
use crate::{geometry::Size, picture::PictureView};

/// Fills `planes`, three of `input`'s size one after the other.
pub(super) fn fill<T: Sample>(image: PictureView<'_>, input: Size, planes: &mut [T]) {
    let table = T::table();
    let scaled = scaled_size(image.size(), input);
    let left = centred(scaled.width, input.width);
    let top = centred(scaled.height, input.height);
    let levels = antialias::resize_part(image, scaled, left..left + input.width, top..top + input.height);
    let plane_len = planes.len() / 3;
    for (channel, plane) in planes.chunks_exact_mut(plane_len).enumerate() {
        let levels = levels.iter().skip(channel).step_by(3);
        plane.iter_mut().zip(levels).for_each(|(to, &level)| *to = table[level as usize]);
    }
}

/// A square input keeps the picture's shape, its longer side cut to whole pixels; any other is filled exactly.
fn scaled_size(original: Size, input: Size) -> Size {
    if input.width != input.height {
        return input;
    }
    let side = input.width;
    let longer = |long: u32, short: u32| (f64::from(side) * f64::from(long) / f64::from(short)) as u32;
    if original.width <= original.height {
        Size { width: side, height: longer(original.height, original.width) }
    } else {
        Size { width: longer(original.width, original.height), height: side }
    }
}

/// Where a crop starts; halves go to even.
fn centred(scaled: u32, crop: u32) -> u32 {
    (f64::from(scaled - crop) / 2.0).round_ties_even() as u32
}
