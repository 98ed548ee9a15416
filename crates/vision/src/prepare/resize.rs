//! The bilinear resize of OpenCV's 8-bit linear interpolation, bit for bit: two taps per axis, half-pixel centres, no
//! antialiasing, 11-bit weights, truncating shifts.
//!
//! Rows are kept as three planes of 16-bit lanes, so that both passes run over whole vectors, and a row that two output
//! rows need is only computed once. Where the processor has AVX2 the same code is used in a form compiled for it.

use crate::{geometry::Size, picture::PictureView};

/// One, in the weights' fixed point.
const ONE: f32 = 2048.0;

/// The two source positions of an output position and their weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tap {
    near: u32,
    far: u32,
    near_weight: u16,
    far_weight: u16,
}

/// Computes the rows of a resized picture, top to bottom.
pub(super) struct Resizer<'a> {
    image: PictureView<'a>,
    columns: Columns,
    rows: Vec<Tap>,
    has_avx2: bool,
    /// The two source rows in use, resized across: which row, and its lanes.
    upper: ResizedRow,
    lower: ResizedRow,
}

#[derive(Default)]
struct ResizedRow {
    y: Option<u32>,
    /// Red, green, blue lanes, one plane after the other; values to 32,640.
    lanes: Vec<u16>,
}

impl<'a> Resizer<'a> {
    pub(super) fn new(image: PictureView<'a>, target: Size) -> Self {
        Self {
            image,
            columns: Columns::new(&taps(image.width(), target.width, Edge::ResetWeight)),
            rows: taps(image.height(), target.height, Edge::ClampOnly),
            has_avx2: has_avx2(),
            upper: ResizedRow::default(),
            lower: ResizedRow::default(),
        }
    }

    /// Writes output row `y` as levels, three planes of the target's width each.
    pub(super) fn row(&mut self, y: usize, levels: &mut [u8]) {
        #[cfg(target_arch = "x86_64")]
        if self.has_avx2 {
            // SAFETY: the processor said that it has AVX2.
            return unsafe { self.row_avx2(y, levels) };
        }
        self.row_as_compiled(y, levels);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn row_avx2(&mut self, y: usize, levels: &mut [u8]) {
        self.row_as_compiled(y, levels);
    }

    /// Always inlined with all that it calls, so that it is compiled for what its caller may use.
    #[inline(always)]
    fn row_as_compiled(&mut self, y: usize, levels: &mut [u8]) {
        let tap = self.rows[y];
        if self.lower.y == Some(tap.near) {
            std::mem::swap(&mut self.upper, &mut self.lower);
        }
        self.upper.load(self.image, tap.near, &mut self.columns);
        if tap.far == tap.near {
            return blend(&self.upper.lanes, &self.upper.lanes, tap, levels);
        }
        self.lower.load(self.image, tap.far, &mut self.columns);
        blend(&self.upper.lanes, &self.lower.lanes, tap, levels);
    }
}

impl ResizedRow {
    /// Resizes source row `y` across, unless it is here already.
    #[inline(always)]
    fn load(&mut self, image: PictureView<'_>, y: u32, columns: &mut Columns) {
        if self.y == Some(y) {
            return;
        }
        columns.gather(image.row(y as usize));
        let width = columns.taps.len();
        self.lanes.resize(3 * width, 0);
        for (channel, lanes) in self.lanes.chunks_exact_mut(width).enumerate() {
            columns.weigh(8 * channel as u32, lanes);
        }
        self.y = Some(y);
    }
}

/// The output columns' taps, and the pixels of one source row that they meet.
struct Columns {
    /// Near and far source column.
    taps: Vec<(u32, u32)>,
    near_weights: Vec<u32>,
    far_weights: Vec<u32>,
    /// Pixels, red in the lowest byte, then green and blue; the highest byte means nothing.
    near: Vec<u32>,
    far: Vec<u32>,
}

impl Columns {
    fn new(taps: &[Tap]) -> Self {
        Self {
            taps: taps.iter().map(|tap| (tap.near, tap.far)).collect(),
            near_weights: taps.iter().map(|tap| tap.near_weight.into()).collect(),
            far_weights: taps.iter().map(|tap| tap.far_weight.into()).collect(),
            near: vec![0; taps.len()],
            far: vec![0; taps.len()],
        }
    }

    #[inline(always)]
    fn gather(&mut self, row: &[u8]) {
        for ((&(near_x, far_x), near), far) in self.taps.iter().zip(&mut self.near).zip(&mut self.far) {
            let at = 3 * near_x as usize;
            // The far pixel follows the near one; at the edges they are the same, but there the far one has no weight.
            if let Some(&both) = row.get(at..).and_then(<[u8]>::first_chunk) {
                let both = u64::from_le_bytes(both);
                (*near, *far) = (both as u32, (both >> 24) as u32);
            } else {
                (*near, *far) = (pixel(row, near_x), pixel(row, far_x));
            }
        }
    }

    /// Weighs one channel, which lies `shift` bits up in the pixels.
    #[inline(always)]
    fn weigh(&self, shift: u32, lanes: &mut [u16]) {
        let near = self.near.iter().zip(&self.near_weights);
        let far = self.far.iter().zip(&self.far_weights);
        for (lane, ((near, near_weight), (far, far_weight))) in lanes.iter_mut().zip(near.zip(far)) {
            let sum = ((near >> shift) & 0xff) * near_weight + ((far >> shift) & 0xff) * far_weight;
            *lane = (sum >> 4) as u16;
        }
    }
}

fn pixel(row: &[u8], x: u32) -> u32 {
    let at = 3 * x as usize;
    row.get(at..at + 3).map_or(0, |pixel| u32::from_le_bytes([pixel[0], pixel[1], pixel[2], 0]))
}

fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

#[inline(always)]
fn blend(upper: &[u16], lower: &[u16], tap: Tap, levels: &mut [u8]) {
    let weigh = |lane: u16, weight: u16| ((u32::from(lane) * u32::from(weight)) >> 16) as u16;
    for ((level, &upper), &lower) in levels.iter_mut().zip(upper).zip(lower) {
        let sum = weigh(upper, tap.near_weight) + weigh(lower, tap.far_weight);
        *level = ((sum + 2) >> 2).min(255) as u8;
    }
}

/// What happens to positions beyond the first and the last source pixel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    /// The edge pixel alone counts (columns).
    ResetWeight,
    /// Both taps become the edge pixel, their weights stay (rows).
    ClampOnly,
}

fn taps(source: u32, target: u32, edge: Edge) -> Vec<Tap> {
    let scale = f64::from(source) / f64::from(target);
    (0..target).map(|i| tap(((f64::from(i) + 0.5) * scale - 0.5) as f32, source, edge)).collect()
}

fn tap(position: f32, source: u32, edge: Edge) -> Tap {
    let last = i64::from(source) - 1;
    let near = position.floor();
    let index = near as i64;
    let outside = index < 0 || index >= last;
    let fraction = if outside && edge == Edge::ResetWeight { 0.0 } else { position - near };
    let clamp = |index: i64| index.clamp(0, last) as u32;
    Tap {
        near: clamp(index),
        far: clamp(index + 1),
        near_weight: ((1.0 - fraction) * ONE).round_ties_even() as u16,
        far_weight: (fraction * ONE).round_ties_even() as u16,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::picture::RgbImage;

    fn resized(image: &RgbImage, target: Size) -> Vec<u8> {
        let mut resizer = Resizer::new(image.view(), target);
        let mut levels = vec![0; 3 * target.width as usize];
        let rows = (0..target.height as usize).flat_map(|y| {
            resizer.row(y, &mut levels);
            levels.clone()
        });
        rows.collect()
    }

    /// The rule written down plainly, one number at a time: position, the two indices, the two weights.
    fn plain_tap(i: u32, source: u32, target: u32, is_column: bool) -> (usize, usize, i64, i64) {
        let p = ((f64::from(i) + 0.5) * (f64::from(source) / f64::from(target)) - 0.5) as f32;
        let k = p.floor() as i64;
        let last = i64::from(source) - 1;
        let f = if is_column && (k < 0 || k >= last) { 0.0 } else { p - p.floor() };
        let index = |k: i64| k.clamp(0, last) as usize;
        (index(k), index(k + 1), ((1.0 - f) * 2048.0).round_ties_even() as i64, (f * 2048.0).round_ties_even() as i64)
    }

    fn plain_level(image: &RgbImage, target: Size, x: u32, y: u32, channel: usize) -> u8 {
        let (left, right, a0, a1) = plain_tap(x, image.width(), target.width, true);
        let (top, bottom, b0, b1) = plain_tap(y, image.height(), target.height, false);
        let across = |y: usize| {
            let level = |x: usize| i64::from(image.view().row(y)[3 * x + channel]);
            level(left) * a0 + level(right) * a1
        };
        let v = (((across(top) >> 4) * b0) >> 16) + (((across(bottom) >> 4) * b1) >> 16);
        ((v + 2) >> 2).clamp(0, 255) as u8
    }

    proptest! {
        #[test]
        fn equals_the_rule_at_every_size(
            (width, height) in (1..24_u32, 1..24_u32), (to_width, to_height) in (1..40_u32, 1..40_u32), seed: u8,
        ) {
            let pixels = (0..width * height * 3).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8 ^ seed).collect();
            let image = RgbImage::new(width, height, pixels).unwrap();
            let target = Size { width: to_width, height: to_height };
            let found = resized(&image, target);
            for y in 0..to_height {
                for channel in 0..3 {
                    for x in 0..to_width {
                        let at = (y * 3 * to_width) as usize + channel * to_width as usize + x as usize;
                        prop_assert_eq!(found[at], plain_level(&image, target, x, y, channel), "{} {} {}", x, y, channel);
                    }
                }
            }
        }

        #[test]
        fn an_even_picture_stays_even_or_one_level_darker(level: u8, width in 1..200_u32, height in 1..200_u32) {
            let image = RgbImage::new(7, 5, vec![level; 105]).unwrap();
            let found = resized(&image, Size { width, height });
            prop_assert!(found.iter().all(|&found| found == level || found + 1 == level));
        }
    }
}
