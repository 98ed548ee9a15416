//! Masks as COCO's uncompressed run lengths.

use super::region::Region;
use crate::{geometry::Size, output::MaskRle};

/// Columns that are turned around at once: a cache line of each row.
const BLOCK: usize = 64;

/// A mask with what encoding it brings to light.
pub(super) struct Encoded {
    pub(super) rle: MaskRle,
    /// Pixels in the mask.
    pub(super) area_px: u64,
    /// The runs of every column, left to right, top to bottom, counted from the window's corner.
    pub(super) columns: Vec<ColumnRun>,
}

/// Consecutive mask pixels `start..end` of column `x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ColumnRun {
    pub(super) x: u32,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// Encodes a region of a mask that is empty outside of it; `None` when it is empty inside too.
pub(super) fn encode(region: &Region, size: Size) -> Option<Encoded> {
    let columns = column_runs(region);
    if columns.is_empty() {
        return None;
    }
    let height = u64::from(size.height);
    let mut writer = RunWriter::default();
    let mut area_px = 0;
    for run in &columns {
        let column_start = (region.window.left as u64 + u64::from(run.x)) * height + region.window.top as u64;
        writer.ones(column_start + u64::from(run.start), column_start + u64::from(run.end));
        area_px += u64::from(run.end - run.start);
    }
    let counts = writer.finish(u64::from(size.width) * height);
    Some(Encoded { rle: MaskRle { size: [size.height, size.width], counts }, area_px, columns })
}

/// Reads rows as columns, a block of them at a time.
fn column_runs(region: &Region) -> Vec<ColumnRun> {
    let (width, height) = (region.window.width(), region.window.height());
    let mut runs = Vec::new();
    if region.window.is_empty() {
        return runs;
    }
    let mut block = vec![0; BLOCK * height];
    for left in (0..width).step_by(BLOCK) {
        let columns = BLOCK.min(width - left);
        for (y, row) in region.pixels.chunks_exact(width).enumerate() {
            for (column, &pixel) in row[left..left + columns].iter().enumerate() {
                block[column * height + y] = pixel;
            }
        }
        for (column, pixels) in block.chunks_exact(height).take(columns).enumerate() {
            push_runs((left + column) as u32, pixels, &mut runs);
        }
    }
    runs
}

fn push_runs(x: u32, pixels: &[u8], runs: &mut Vec<ColumnRun>) {
    let mut y = 0;
    while let Some(skipped) = pixels[y..].iter().position(|&pixel| pixel != 0) {
        let start = y + skipped;
        let end = pixels[start..].iter().position(|&pixel| pixel == 0).map_or(pixels.len(), |length| start + length);
        runs.push(ColumnRun { x, start: start as u32, end: end as u32 });
        y = end;
    }
}

/// Writes counts of zeros and ones in turn from stretches of ones.
#[derive(Default)]
struct RunWriter {
    counts: Vec<u32>,
    /// How many pixels the counts stand for.
    written: u64,
}

impl RunWriter {
    /// Adds ones at `start..end`, which lies behind all earlier ones; touching stretches become one.
    fn ones(&mut self, start: u64, end: u64) {
        let zeros = (start - self.written) as u32;
        let ones = (end - start) as u32;
        match self.counts.last_mut() {
            Some(last) if zeros == 0 => *last += ones,
            _ => self.counts.extend([zeros, ones]),
        }
        self.written = end;
    }

    /// Adds the zeros up to `total`.
    fn finish(mut self, total: u64) -> Vec<u32> {
        if total > self.written {
            self.counts.push((total - self.written) as u32);
        }
        self.counts
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::interpret::masks::region::Window;

    /// Draws counts again, row by row.
    fn decode(rle: &MaskRle) -> Vec<u8> {
        let [height, width] = rle.size.map(|side| side as usize);
        let runs = rle.counts.iter().zip([0, 1].into_iter().cycle());
        let columns: Vec<u8> = runs.flat_map(|(&count, value)| std::iter::repeat_n(value, count as usize)).collect();
        assert_eq!(columns.len(), width * height);
        (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| columns[x * height + y]).collect()
    }

    fn region(window: Window, pixels: &[u8]) -> Region {
        Region { window, pixels: pixels.to_vec() }
    }

    #[test]
    fn counts_go_down_the_columns() {
        let window = Window { left: 1, top: 1, right: 3, bottom: 3 };
        let encoded = encode(&region(window, &[1, 0, 1, 1]), Size { width: 4, height: 3 }).unwrap();
        assert_eq!(encoded.rle.counts, [4, 2, 2, 1, 3]);
        assert_eq!(encoded.area_px, 3);
    }

    #[test]
    fn a_run_goes_on_from_column_to_column() {
        let window = Window { left: 0, top: 0, right: 2, bottom: 2 };
        let encoded = encode(&region(window, &[1; 4]), Size { width: 2, height: 2 }).unwrap();
        assert_eq!(encoded.rle.counts, [0, 4]);
    }

    #[test]
    fn an_empty_mask_is_none() {
        let window = Window { left: 0, top: 0, right: 2, bottom: 2 };
        assert!(encode(&region(window, &[0; 4]), Size { width: 2, height: 2 }).is_none());
        assert!(encode(&Region::default(), Size { width: 2, height: 2 }).is_none());
    }

    proptest! {
        #[test]
        fn any_mask_survives_the_round_trip(
            width in 1..150_usize, height in 1..20_usize, margin in 0..3_usize, seed in prop::collection::vec(0..2_u8, 3000),
        ) {
            let window = Window { left: margin, top: margin, right: margin + width, bottom: margin + height };
            let region = region(window, &seed[..width * height]);
            let size = Size { width: (width + 2 * margin) as u32, height: (height + 2 * margin) as u32 };
            let Some(encoded) = encode(&region, size) else {
                prop_assert!(region.pixels.iter().all(|&pixel| pixel == 0));
                return Ok(());
            };
            let mask = decode(&encoded.rle);
            for y in 0..size.height as i64 {
                for x in 0..size.width as i64 {
                    let expected = region.contains(x - margin as i64, y - margin as i64);
                    prop_assert_eq!(mask[(y * i64::from(size.width) + x) as usize] == 1, expected);
                }
            }
            prop_assert_eq!(encoded.area_px, mask.iter().map(|&pixel| u64::from(pixel)).sum::<u64>());
            prop_assert!(encoded.rle.counts[1..].iter().all(|&count| count > 0));
        }
    }
}
