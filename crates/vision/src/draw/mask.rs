//! Masks as run lengths.

use super::canvas::{Canvas, Ink};
use super::finding::Mask;

impl Mask {
    /// The pixels of the mask as vertical strips: column, first row, row after the last. Runs that lead past the end of the
    /// picture are cut there.
    fn strips(&self) -> impl Iterator<Item = (i64, i64, i64)> {
        let [height, width] = self.size.map(u64::from);
        let end = height * width;
        let mut at = 0u64;
        let runs = self.counts.iter().enumerate().map(move |(index, &count)| {
            let from = at;
            at = (at + u64::from(count)).min(end);
            (index % 2 == 1, from, at)
        });
        runs.filter(|(is_set, ..)| *is_set).flat_map(move |(_, from, to)| columns(from, to, height.max(1)))
    }

    /// Covers the mask's pixels, when it is a mask of a picture of this size.
    pub(super) fn fill(&self, canvas: &mut Canvas, ink: Ink) {
        if self.size != [canvas.height(), canvas.width()] {
            return;
        }
        for (x, top, bottom) in self.strips() {
            for y in top..bottom {
                canvas.dot(x, y, ink);
            }
        }
    }
}

/// Cuts a run at the ends of columns.
fn columns(from: u64, to: u64, height: u64) -> impl Iterator<Item = (i64, i64, i64)> {
    (from / height..to.div_ceil(height)).filter(move |_| from < to).map(move |column| {
        let top = from.max(column * height) - column * height;
        let bottom = to.min((column + 1) * height) - column * height;
        (column as i64, top as i64, bottom as i64)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn drawn(size: [u32; 2], counts: &[u32]) -> Vec<String> {
        let [height, width] = size;
        let mut canvas = Canvas::new(width, height, vec![0; (height * width * 3) as usize]).unwrap();
        Mask { size, counts: counts.to_vec() }.fill(&mut canvas, Ink::solid([255; 3]));
        let row = |y| (0..width).map(|x| if canvas.pixel(x, y) == Some([255; 3]) { '#' } else { '.' }).collect();
        (0..height).map(row).collect()
    }

    #[test]
    fn runs_go_down_the_columns_zeros_first() {
        assert_eq!(drawn([3, 4], &[1, 2, 3, 4, 2]), ["..##", "#.#.", "#.#."]);
        assert_eq!(drawn([2, 2], &[0, 4]), ["##", "##"]);
        assert_eq!(drawn([2, 2], &[4]), ["..", ".."]);
    }

    #[test]
    fn runs_that_do_not_add_up_stay_inside_of_the_picture() {
        assert_eq!(drawn([2, 2], &[3, u32::MAX, 5, u32::MAX]), ["..", ".#"]);
        assert_eq!(drawn([2, 2], &[]), ["..", ".."]);
        assert_eq!(drawn([2, 2], &[u32::MAX, u32::MAX]), ["..", ".."]);
    }

    #[test]
    fn a_mask_of_another_picture_is_not_drawn() {
        let mut canvas = Canvas::new(2, 2, vec![0; 12]).unwrap();
        Mask { size: [4, 1], counts: vec![0, 4] }.fill(&mut canvas, Ink::solid([255; 3]));
        assert_eq!(canvas.pixels(), [0; 12]);
    }
}
