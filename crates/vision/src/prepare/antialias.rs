//! Pillow's 8-bit bilinear resampling: a triangle filter widened by the scale, 22-bit fixed-point weights, across first,
//! then down, each pass rounded to 8 bits. Only the part of the result that is asked for is computed.

use std::ops::Range;

use crate::{geometry::Size, picture::RgbImage};

/// Bits behind the point of a weight.
const PRECISION: u32 = 32 - 8 - 2;

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
pub(super) fn resize_part(image: &RgbImage, scaled: Size, columns: Range<u32>, rows: Range<u32>) -> Vec<u8> {
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
        let mut sums = [1_i32 << (PRECISION - 1); 3];
        for (pixel, &weight) in source[3 * window.start..].chunks_exact(3).zip(&window.weights) {
            for (sum, &level) in sums.iter_mut().zip(pixel) {
                *sum += i32::from(level) * weight;
            }
        }
        for (level, sum) in target.iter_mut().zip(sums) {
            *level = to_level(sum);
        }
    }
}

fn resize_down(source: &[u8], row_len: usize, weights: &[i32], target: &mut [u8]) {
    for (column, level) in target.iter_mut().enumerate() {
        let levels = source[column..].iter().step_by(row_len).zip(weights);
        let sum = levels.fold(1 << (PRECISION - 1), |sum, (&level, &weight)| sum + i32::from(level) * weight);
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
