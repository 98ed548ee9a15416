//! The bilinear resize of OpenCV's 8-bit linear interpolation, bit for bit: two taps per axis, half-pixel centres, no
//! antialiasing, 11-bit weights, truncating shifts.
//!
//! Rows are kept as three planes of 16-bit lanes, so that the vertical pass runs over whole vectors, and a row that two
//! output rows need is only computed once.

use crate::{geometry::Size, picture::RgbImage};

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
    image: &'a RgbImage,
    columns: Vec<Tap>,
    rows: Vec<Tap>,
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
    pub(super) fn new(image: &'a RgbImage, target: Size) -> Self {
        Self {
            image,
            columns: taps(image.width(), target.width, Edge::ResetWeight),
            rows: taps(image.height(), target.height, Edge::ClampOnly),
            upper: ResizedRow::default(),
            lower: ResizedRow::default(),
        }
    }

    /// Hands over output row `y` as levels, three planes of the target's width each, through `write(plane, level)`.
    pub(super) fn row(&mut self, y: usize, levels: &mut [u8]) {
        let tap = self.rows[y];
        if self.lower.y == Some(tap.near) {
            std::mem::swap(&mut self.upper, &mut self.lower);
        }
        self.upper.load(self.image, tap.near, &self.columns);
        if tap.far == tap.near {
            return blend(&self.upper.lanes, &self.upper.lanes, tap, levels);
        }
        self.lower.load(self.image, tap.far, &self.columns);
        blend(&self.upper.lanes, &self.lower.lanes, tap, levels);
    }
}

impl ResizedRow {
    /// Resizes source row `y` across, unless it is here already.
    fn load(&mut self, image: &RgbImage, y: u32, columns: &[Tap]) {
        if self.y == Some(y) {
            return;
        }
        let source = image.row(y as usize);
        self.lanes.resize(3 * columns.len(), 0);
        let (red, others) = self.lanes.split_at_mut(columns.len());
        let (green, blue) = others.split_at_mut(columns.len());
        for (((tap, red), green), blue) in columns.iter().zip(red).zip(green).zip(blue) {
            let near = pixel(source, tap.near);
            let far = pixel(source, tap.far);
            let mix = |channel: usize| {
                let sum = u32::from(near[channel]) * u32::from(tap.near_weight)
                    + u32::from(far[channel]) * u32::from(tap.far_weight);
                (sum >> 4) as u16
            };
            (*red, *green, *blue) = (mix(0), mix(1), mix(2));
        }
        self.y = Some(y);
    }
}

fn pixel(row: &[u8], x: u32) -> [u8; 3] {
    let at = 3 * x as usize;
    row.get(at..at + 3).and_then(|pixel| pixel.try_into().ok()).unwrap_or_default()
}

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
