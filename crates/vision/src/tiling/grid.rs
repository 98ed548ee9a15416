//! Where the tiles lie.

use super::options::{TilingError, TilingOptions};
use crate::{geometry::Size, picture::PixelRegion};

/// Most tiles that one picture may be cut into.
pub const MAX_TILES: usize = 10_000;

impl TilingOptions {
    /// The tiles of a picture, row by row. All have the same size: the last of a row or column overlaps its neighbour
    /// more, and a picture smaller than a tile is one tile of its own size.
    pub fn tiles(&self, picture: Size) -> Result<Vec<PixelRegion>, TilingError> {
        self.check()?;
        let columns = spans(picture.width, self.slice_width, self.overlap_ratio);
        let rows = spans(picture.height, self.slice_height, self.overlap_ratio);
        let count = columns.len() * rows.len();
        if count > MAX_TILES {
            return Err(TilingError::TooMany { width: picture.width, height: picture.height, tiles: count });
        }
        let tiles = rows.iter().flat_map(|&(top, bottom)| {
            columns.iter().map(move |&(left, right)| PixelRegion {
                left,
                top,
                width: right - left,
                height: bottom - top,
            })
        });
        Ok(tiles.collect())
    }
}

/// Begin and end of each tile along one side.
fn spans(side: u32, slice: u32, overlap_ratio: f64) -> Vec<(u32, u32)> {
    let overlap = (overlap_ratio * f64::from(slice)) as u32;
    let mut spans = Vec::new();
    let mut start = 0;
    loop {
        let end = u64::from(start) + u64::from(slice);
        if end >= u64::from(side) {
            spans.push((side.saturating_sub(slice), side));
            return spans;
        }
        let end = start + slice;
        spans.push((start, end));
        // The overlap is smaller than the slice, so this moves on.
        start = end - overlap;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn tiling(slice_width: u32, slice_height: u32, overlap_ratio: f64) -> TilingOptions {
        TilingOptions { slice_width, slice_height, overlap_ratio, ..TilingOptions::default() }
    }

    #[test]
    fn the_last_tile_moves_inwards() {
        assert_eq!(spans(1000, 512, 0.25), [(0, 512), (384, 896), (488, 1000)]);
        assert_eq!(spans(512, 512, 0.25), [(0, 512)]);
        assert_eq!(spans(300, 512, 0.25), [(0, 300)]);
    }

    #[test]
    fn more_tiles_than_anyone_needs_are_refused() {
        let picture = Size { width: 6000, height: 4000 };
        assert_eq!(tiling(512, 512, 0.25).tiles(picture).unwrap().len(), 16 * 11);
        let error = tiling(16, 16, 0.9).tiles(picture).unwrap_err();
        assert!(error.to_string().contains("tiles, at most 10000"), "{error}");
    }

    proptest! {
        #[test]
        fn tiles_cover_the_picture_and_are_of_one_size(
            (width, height) in (1..700_u32, 1..700_u32), (across, down) in (8..300_u32, 8..300_u32), ratio in 0.0..0.9_f64,
        ) {
            let tiles = tiling(across, down, ratio).tiles(Size { width, height });
            prop_assume!(tiles.is_ok());
            let tiles = tiles.unwrap();
            let size = (across.min(width), down.min(height));
            prop_assert!(tiles.iter().all(|tile| (tile.width, tile.height) == size));
            prop_assert!(tiles.iter().all(|tile| tile.left + tile.width <= width && tile.top + tile.height <= height));
            let covered = |x: u32, y: u32| tiles.iter().any(|tile| {
                (tile.left..tile.left + tile.width).contains(&x) && (tile.top..tile.top + tile.height).contains(&y)
            });
            for (x, y) in [(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1), (width / 2, height / 3)] {
                prop_assert!(covered(x, y));
            }
        }
    }
}
