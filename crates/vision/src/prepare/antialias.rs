//! Pillow's 8-bit bilinear resampling: a triangle filter widened by the scale, 22-bit fixed-point weights, across first,
//! then down, each pass rounded to 8 bits. Only the part of the result that is asked for is computed.

use std::ops::Range;

use crate::{geometry::Size, picture::PictureView};

/// Bits behind the point of a weight.
const PRECISION: u32 = 32 - 8 - 2;
/// One half, which makes cutting round.
const HALF: i32 = 1 << (PRECISION - 1);

/// The source pixels that make one output pixel.
struct Window {
    start: usize,
    weights: Vec<i32>,
}

impl Window {
    fn end(&self) -> usize {
        self.start + self.weights.len()
    }
}

/// Resizes `image` to `scaled` and cuts out `columns` x `rows`; gives interleaved levels.
pub(super) fn resize_part(image: PictureView<'_>, scaled: Size, columns: Range<u32>, rows: Range<u32>) -> Vec<u8> {
    let columns = windows(image.width(), scaled.width, columns);
    let rows = windows(image.height(), scaled.height, rows);
    let first = rows.iter().map(|window| window.start).min().unwrap_or(0);
    let end = rows.iter().map(Window::end).max().unwrap_or(0);
    let row_len = 3 * columns.len();
    let mut across = vec![0; row_len * (end - first)];
    for (y, target) in (first..end).zip(across.chunks_exact_mut(row_len)) {
        resize_across(image.row(y), &columns, target);
    }
    let mut result = vec![0; row_len * rows.len()];
    for (window, target) in rows.iter().zip(result.chunks_exact_mut(row_len)) {
        resize_down(&across[(window.start - first) * row_len..], row_len, &window.weights, target);
    }
    result
}

fn resize_across(source: &[u8], columns: &[Window], target: &mut [u8]) {
    for (window, target) in columns.iter().zip(target.chunks_exact_mut(3)) {
        // One sum per channel, by name: as an array the compiler makes slow vectors of three.
        let (mut red, mut green, mut blue) = (HALF, HALF, HALF);
        for (pixel, &weight) in source[3 * window.start..].chunks_exact(3).zip(&window.weights) {
            red += i32::from(pixel[0]) * weight;
            green += i32::from(pixel[1]) * weight;
            blue += i32::from(pixel[2]) * weight;
        }
        target.copy_from_slice(&[red, green, blue].map(to_level));
    }
}

fn resize_down(source: &[u8], row_len: usize, weights: &[i32], target: &mut [u8]) {
    for (column, level) in target.iter_mut().enumerate() {
        let levels = source[column..].iter().step_by(row_len).zip(weights);
        let sum = levels.fold(HALF, |sum, (&level, &weight)| sum + i32::from(level) * weight);
        *level = to_level(sum);
    }
}

fn to_level(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

fn windows(source: u32, target: u32, wanted: Range<u32>) -> Vec<Window> {
    wanted.map(|i| window(i, source, target)).collect()
}

fn window(i: u32, source: u32, target: u32) -> Window {
    if source == target {
        return Window { start: i as usize, weights: vec![1 << PRECISION] };
    }
    let scale = f64::from(source) / f64::from(target);
    let support = scale.max(1.0);
    let centre = (f64::from(i) + 0.5) * scale;
    let start = ((centre - support + 0.5) as i64).max(0);
    let end = ((centre + support + 0.5) as i64).min(i64::from(source));
    let triangle = |x: i64| (1.0 - ((x as f64 - centre + 0.5) * (1.0 / support)).abs()).max(0.0);
    let weights: Vec<f64> = (start..end).map(triangle).collect();
    let total: f64 = weights.iter().sum();
    let fixed = |weight: f64| (0.5 + weight / total * f64::from(1 << PRECISION)) as i32;
    Window { start: start as usize, weights: weights.into_iter().map(fixed).collect() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::picture::RgbImage;

    fn picture(width: u32, height: u32) -> RgbImage {
        let pixels = (0..width * height * 3).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        RgbImage::new(width, height, pixels).unwrap()
    }

    #[test]
    fn halving_averages_with_a_triangle() {
        let image = RgbImage::new(4, 1, [0, 80, 160, 240].iter().flat_map(|&level| [level; 3]).collect()).unwrap();
        let halved = resize_part(image.view(), Size { width: 2, height: 1 }, 0..2, 0..1);
        // Weights 3 : 3 : 1 around the first new pixel and mirrored around the second.
        assert_eq!(halved, [57, 57, 57, 183, 183, 183]);
    }

    #[test]
    fn a_very_long_picture_costs_no_more_than_its_part() {
        let image = picture(1, 60_000);
        let part = resize_part(image.view(), Size { width: 64, height: 3_840_000 }, 0..64, 1_919_968..1_920_032);
        assert_eq!(part.len(), 64 * 64 * 3);
    }

    proptest! {
        #[test]
        fn a_part_equals_the_cut_of_the_whole(
            (width, height) in (1..30_u32, 1..30_u32), (to_width, to_height) in (2..30_u32, 2..30_u32),
        ) {
            let image = picture(width, height);
            let scaled = Size { width: to_width, height: to_height };
            let whole = resize_part(image.view(), scaled, 0..to_width, 0..to_height);
            let part = resize_part(image.view(), scaled, 1..to_width, 1..to_height);
            let rows = whole.chunks_exact(3 * to_width as usize).skip(1);
            prop_assert_eq!(part, rows.flat_map(|row| row[3..].to_vec()).collect::<Vec<_>>());
        }

        #[test]
        fn an_even_picture_stays_even(level: u8, width in 1..90_u32, height in 1..90_u32) {
            let image = RgbImage::new(40, 30, vec![level; 3600]).unwrap();
            let found = resize_part(image.view(), Size { width, height }, 0..width, 0..height);
            prop_assert!(found.iter().all(|&found| found == level));
        }
    }
}
