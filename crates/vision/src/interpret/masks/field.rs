//! Mask logits over the picture: a mix of prototypes, enlarged in one or two bilinear steps. Only what a box covers is
//! computed, with the same operations on the same numbers as if the whole picture were.

use std::ops::RangeInclusive;

use super::region::{Region, Window};
use crate::{
    error::InterpretError,
    geometry::{Letterbox, Size, fit_inside, share},
    options::MaskSize,
};

/// Input pixels per prototype cell, across and down.
const CELL: u32 = 4;
/// Largest side of the prototypes: that of the largest input in cells.
const MAX_PROTOTYPE_SIDE: usize = 2048;

/// The prototypes of one run and the steps from their cells to mask pixels.
pub(super) struct MaskField<'a> {
    /// Prototypes one after the other, each `cells` large.
    prototypes: &'a [f32],
    cells: Size,
    /// The first step, from cells to a finer grid, where one is needed.
    enlarged: Option<Taps2>,
    /// The last step, from the part of the grid that holds the picture to mask pixels.
    resized: Taps2,
    /// Where that part begins in the grid.
    offset: (u32, u32),
    size: Size,
}

impl<'a> MaskField<'a> {
    /// Takes prototypes `[1, count, height, width]`.
    pub(super) fn new(
        dims: &[usize],
        prototypes: &'a [f32],
        letterbox: &Letterbox,
        mask_size: MaskSize,
    ) -> Result<Self, InterpretError> {
        let side = |axis: usize| dims.get(axis).copied().filter(|side| (1..=MAX_PROTOTYPE_SIDE).contains(side));
        let (Some(height), Some(width)) = (side(2), side(3)) else {
            return Err(InterpretError::Shape {
                found: format!("prototypes of {dims:?}"),
                wanted: format!("[1, prototypes, height, width] with sides from 1 to {MAX_PROTOTYPE_SIDE}"),
            });
        };
        let cells = Size { width: width as u32, height: height as u32 };
        Ok(match mask_size {
            MaskSize::Original => Self::over_original(prototypes, cells, letterbox.original),
            MaskSize::Input => Self::over_input(prototypes, cells, letterbox.input),
        })
    }

    fn over_input(prototypes: &'a [f32], cells: Size, input: Size) -> Self {
        let resized = Taps2::new(cells, input);
        Self { prototypes, cells, enlarged: None, resized, offset: (0, 0), size: input }
    }

    /// The padding is cut off in whole cells, so cells are first made small enough for that.
    fn over_original(prototypes: &'a [f32], cells: Size, original: Size) -> Self {
        let input = Size { width: CELL * cells.width, height: CELL * cells.height };
        let content = fit_inside(original, input);
        let (pad_x, pad_y) = (input.width - content.width, input.height - content.height);
        let factor = splitting_factor(pad_x | pad_y);
        let grid = Size { width: factor * cells.width, height: factor * cells.height };
        let content = fit_inside(original, grid);
        let (left, _) = share(grid.width - content.width);
        let (top, _) = share(grid.height - content.height);
        Self {
            prototypes,
            cells,
            enlarged: (factor > 1).then(|| Taps2::new(cells, grid)),
            resized: Taps2::new(content, original),
            offset: (left, top),
            size: original,
        }
    }

    /// The mask's size.
    pub(super) fn size(&self) -> Size {
        self.size
    }

    pub(super) fn drawer(&'a self) -> Drawer<'a> {
        Drawer { field: self, logits: Grid::default(), enlarged: Grid::default(), row: Vec::new() }
    }
}

/// Into how many parts a cell is split so that the padding and half of it are whole parts: 1, 2 or 4.
///
/// `padding` is the bitwise or of both axes' paddings in input pixels.
fn splitting_factor(padding: u32) -> u32 {
    match padding | (padding / 2) {
        odd if odd % 2 == 1 => 4,
        odd if odd % 4 == 2 => 2,
        _ => 1,
    }
}

/// Draws masks, one box after the other, in the same memory.
pub(super) struct Drawer<'a> {
    field: &'a MaskField<'a>,
    logits: Grid,
    enlarged: Grid,
    row: Vec<f32>,
}

impl Drawer<'_> {
    /// Draws the pixels of `window` whose logit is above zero.
    pub(super) fn draw(&mut self, coefficients: impl Iterator<Item = f32>, window: Window, region: &mut Region) {
        region.reset(window);
        if window.is_empty() {
            return;
        }
        let Taps2 { columns, rows } = &self.field.resized;
        let (columns, rows) = (&columns[window.left..window.right], &rows[window.top..window.bottom]);
        let (left, top) = self.field.offset;
        let (needed_columns, needed_rows) = (needed(columns, left), needed(rows, top));
        let source = match &self.field.enlarged {
            None => {
                self.logits.mix(self.field, coefficients, needed_columns, needed_rows);
                &self.logits
            }
            Some(taps) => {
                let columns = &taps.columns[to_indices(&needed_columns)];
                let rows = &taps.rows[to_indices(&needed_rows)];
                self.logits.mix(self.field, coefficients, needed(columns, 0), needed(rows, 0));
                self.enlarged.enlarge(&self.logits, (columns, rows), (&needed_columns, &needed_rows), &mut self.row);
                &self.enlarged
            }
        };
        for (pixels, tap) in region.pixels.chunks_exact_mut(window.width()).zip(rows) {
            source.blend_rows(tap, top, &mut self.row);
            for (pixel, tap) in pixels.iter_mut().zip(columns) {
                *pixel = u8::from(source.blend_columns(tap, left, &self.row) > 0.0);
            }
        }
    }
}

/// A rectangle of a larger grid of numbers.
#[derive(Default)]
struct Grid {
    left: u32,
    top: u32,
    width: usize,
    values: Vec<f32>,
}

impl Grid {
    fn reset(&mut self, columns: &RangeInclusive<u32>, rows: &RangeInclusive<u32>) {
        (self.left, self.top) = (*columns.start(), *rows.start());
        self.width = (columns.end() - columns.start() + 1) as usize;
        self.values.clear();
        self.values.resize(self.width * (rows.end() - rows.start() + 1) as usize, 0.0);
    }

    /// Sums prototypes times coefficients over a rectangle of cells.
    fn mix(
        &mut self,
        field: &MaskField<'_>,
        coefficients: impl Iterator<Item = f32>,
        columns: RangeInclusive<u32>,
        rows: RangeInclusive<u32>,
    ) {
        self.reset(&columns, &rows);
        let stride = field.cells.width as usize;
        let prototypes = field.prototypes.chunks_exact(stride * field.cells.height as usize);
        for (prototype, coefficient) in prototypes.zip(coefficients) {
            let cell_rows = prototype.chunks_exact(stride).skip(self.top as usize);
            for (sums, cells) in self.values.chunks_exact_mut(self.width).zip(cell_rows) {
                for (sum, cell) in sums.iter_mut().zip(&cells[to_indices(&columns)]) {
                    *sum += coefficient * cell;
                }
            }
        }
    }

    /// Computes a rectangle of the finer grid from `source`.
    fn enlarge(
        &mut self,
        source: &Self,
        (columns, rows): (&[Tap], &[Tap]),
        (needed_columns, needed_rows): (&RangeInclusive<u32>, &RangeInclusive<u32>),
        row: &mut Vec<f32>,
    ) {
        self.reset(needed_columns, needed_rows);
        for (values, tap) in self.values.chunks_exact_mut(self.width).zip(rows) {
            source.blend_rows(tap, 0, row);
            for (value, tap) in values.iter_mut().zip(columns) {
                *value = source.blend_columns(tap, 0, row);
            }
        }
    }

    /// Blends the two rows of a tap, which counts rows from `offset`.
    fn blend_rows(&self, tap: &Tap, offset: u32, row: &mut Vec<f32>) {
        let near = self.row(tap.near + offset);
        let far = self.row(tap.far + offset);
        row.clear();
        row.extend(near.iter().zip(far).map(|(near, far)| tap.blend(*near, *far)));
    }

    /// Blends the two columns of a tap, which counts columns from `offset`, in a row of this grid.
    fn blend_columns(&self, tap: &Tap, offset: u32, row: &[f32]) -> f32 {
        tap.blend(row[(tap.near + offset - self.left) as usize], row[(tap.far + offset - self.left) as usize])
    }

    fn row(&self, y: u32) -> &[f32] {
        &self.values[(y - self.top) as usize * self.width..][..self.width]
    }
}

/// Both axes of a bilinear step.
struct Taps2 {
    columns: Vec<Tap>,
    rows: Vec<Tap>,
}

impl Taps2 {
    fn new(source: Size, target: Size) -> Self {
        Self { columns: taps(source.width, target.width), rows: taps(source.height, target.height) }
    }
}

/// The two source positions of a target position, and the weight of the second.
struct Tap {
    near: u32,
    far: u32,
    weight: f32,
}

impl Tap {
    fn blend(&self, near: f32, far: f32) -> f32 {
        near * (1.0 - self.weight) + far * self.weight
    }
}

/// Two taps per position, half-pixel centres, edges clamped.
fn taps(source: u32, target: u32) -> Vec<Tap> {
    let scale = f64::from(source) / f64::from(target);
    let last = i64::from(source) - 1;
    let tap = |i: u32| {
        let position = (f64::from(i) + 0.5) * scale - 0.5;
        let near = position.floor();
        let clamp = |index: i64| index.clamp(0, last) as u32;
        Tap { near: clamp(near as i64), far: clamp(near as i64 + 1), weight: (position - near) as f32 }
    };
    (0..target).map(tap).collect()
}

/// The source positions that consecutive taps read, moved by `offset`. Taps rise, so the first and last tell.
fn needed(taps: &[Tap], offset: u32) -> RangeInclusive<u32> {
    let first = taps.first().map_or(0, |tap| tap.near);
    let last = taps.last().map_or(0, |tap| tap.far);
    first + offset..=last + offset
}

fn to_indices(range: &RangeInclusive<u32>) -> RangeInclusive<usize> {
    *range.start() as usize..=*range.end() as usize
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const COUNT: usize = 3;

    /// Prototypes that are smooth and change sign.
    fn prototypes(cells: Size) -> Vec<f32> {
        let values = (0..COUNT * (cells.width * cells.height) as usize).map(|i| (i as f32 * 0.37).sin());
        values.collect()
    }

    fn draw(field: &MaskField<'_>, window: Window) -> Region {
        let mut region = Region::default();
        field.drawer().draw([0.8, -1.3, 0.4].into_iter(), window, &mut region);
        region
    }

    #[test]
    fn padding_decides_how_finely_cells_are_split() {
        assert_eq!([0, 8, 16].map(splitting_factor), [1, 1, 1]);
        assert_eq!([4, 12].map(splitting_factor), [2, 2]);
        assert_eq!([1, 2, 3, 6, 9].map(splitting_factor), [4; 5]);
    }

    #[test]
    fn prototypes_without_cells_are_refused() {
        let letterbox = Letterbox::fit(Size { width: 9, height: 9 }, Size { width: 16, height: 16 }, None);
        for dims in [&[1, 3, 0, 4][..], &[1, 3, 4, 1 << 20], &[]] {
            assert!(MaskField::new(dims, &[], &letterbox, MaskSize::Original).is_err(), "{dims:?}");
        }
    }

    proptest! {
        #[test]
        fn drawing_a_window_equals_cutting_it_out_of_the_whole(
            (width, height) in (1..70_u32, 1..70_u32), (across, down) in (2..12_u32, 2..12_u32),
            corners in (0.0..1.0_f32, 0.0..1.0_f32, 0.0..1.0_f32, 0.0..1.0_f32), at_input: bool,
        ) {
            let cells = Size { width: across, height: down };
            let input = Size { width: CELL * across, height: CELL * down };
            let letterbox = Letterbox::fit(Size { width, height }, input, None);
            let values = prototypes(cells);
            let mask_size = if at_input { MaskSize::Input } else { MaskSize::Original };
            let dims = [1, COUNT, down as usize, across as usize];
            let field = MaskField::new(&dims, &values, &letterbox, mask_size).unwrap();
            let (w, h) = (field.size().width as usize, field.size().height as usize);
            let whole = draw(&field, Window { left: 0, top: 0, right: w, bottom: h });
            let (left, top) = ((corners.0 * w as f32) as usize, (corners.1 * h as f32) as usize);
            let right = left + (corners.2 * (w - left) as f32) as usize;
            let bottom = top + (corners.3 * (h - top) as f32) as usize;
            let window = Window { left, top, right, bottom };
            let part = draw(&field, window);
            for y in 0..window.height() as i64 {
                for x in 0..window.width() as i64 {
                    prop_assert_eq!(part.contains(x, y), whole.contains(x + left as i64, y + top as i64));
                }
            }
        }
    }
}
