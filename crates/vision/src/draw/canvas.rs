//! A picture that can be drawn into; whatever lies outside of it is cut off.

use crate::picture::RgbImage;

/// Red, green, blue.
pub type Rgb = [u8; 3];

/// A point in pixels from the left upper corner.
pub(super) type Point = [f64; 2];

/// A colour and how much of it covers what lies below, 0 to 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ink {
    pub color: Rgb,
    pub alpha: f64,
}

impl Ink {
    /// A colour that covers.
    pub fn solid(color: Rgb) -> Self {
        Self { color, alpha: 1.0 }
    }

    fn scaled(self, by: f64) -> Self {
        Self { alpha: self.alpha * by, ..self }
    }
}

/// Whole pixels from `left`, `top` up to but without `right`, `bottom`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub left: i64,
    pub top: i64,
    pub right: i64,
    pub bottom: i64,
}

impl Area {
    /// The area of a size at a place.
    pub fn sized(left: i64, top: i64, width: i64, height: i64) -> Self {
        Self { left, top, right: left + width, bottom: top + height }
    }

    /// True when both have a pixel in common.
    pub fn meets(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }
}

/// Rows of RGB pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Canvas {
    /// A canvas over `width * height * 3` bytes; `None` for another count.
    pub fn new(width: u32, height: u32, pixels: Vec<u8>) -> Option<Self> {
        let bytes = u128::from(width) * u128::from(height) * 3;
        (bytes == pixels.len() as u128).then_some(Self { width, height, pixels })
    }

    /// Gives the bytes away.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The bytes, row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The colour of a pixel; `None` outside.
    pub fn pixel(&self, x: u32, y: u32) -> Option<Rgb> {
        let at = self.index(i64::from(x), i64::from(y))?;
        Some([self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]])
    }

    /// The canvas in the middle of the upper edge of a larger one.
    pub(super) fn framed(self, width: u32, height: u32, color: Rgb) -> Self {
        let (width, height) = (width.max(self.width), height.max(self.height));
        let mut framed = Self { width, height, pixels: color.repeat(width as usize * height as usize) };
        let (stride, margin) = (self.width as usize * 3, (width - self.width) as usize / 2 * 3);
        for (row, wide) in
            self.pixels.chunks_exact(stride.max(1)).zip(framed.pixels.chunks_exact_mut(width as usize * 3))
        {
            wide[margin..margin + stride].copy_from_slice(row);
        }
        framed
    }

    /// Covers one pixel.
    pub(super) fn dot(&mut self, x: i64, y: i64, ink: Ink) {
        let Some(at) = self.index(x, y) else { return };
        let alpha = ink.alpha.clamp(0.0, 1.0);
        for (below, above) in self.pixels[at..at + 3].iter_mut().zip(ink.color) {
            *below = (f64::from(*below) + (f64::from(above) - f64::from(*below)) * alpha).round() as u8;
        }
    }

    /// Covers an area.
    pub(super) fn fill(&mut self, area: Area, ink: Ink) {
        let area = self.clip(area);
        for y in area.top..area.bottom {
            for x in area.left..area.right {
                self.dot(x, y, ink);
            }
        }
    }

    /// Covers the frame of `width` pixels that lies inside of an area.
    pub(super) fn frame(&mut self, area: Area, width: i64, ink: Ink) {
        let Area { left, top, right, bottom } = area;
        let (upper, lower) = ((top + width).min(bottom), (bottom - width).max(top + width).min(bottom));
        self.fill(Area { bottom: upper, ..area }, ink);
        self.fill(Area { top: lower, ..area }, ink);
        let sides = Area { top: upper, bottom: lower, ..area };
        self.fill(Area { right: (left + width).min(right), ..sides }, ink);
        self.fill(Area { left: (right - width).max(left + width).min(right), ..sides }, ink);
    }

    /// Covers a straight line with round ends.
    pub(super) fn line(&mut self, from: Point, to: Point, width: f64, ink: Ink) {
        let reach = width / 2.0 + 1.0;
        let [x, y] = [0, 1].map(|axis| (from[axis].min(to[axis]) - reach, from[axis].max(to[axis]) + reach));
        let around = self.clip(Area {
            left: x.0.floor() as i64,
            top: y.0.floor() as i64,
            right: x.1.ceil() as i64,
            bottom: y.1.ceil() as i64,
        });
        for y in around.top..around.bottom {
            for x in around.left..around.right {
                let distance = distance_to_line([x as f64 + 0.5, y as f64 + 0.5], from, to);
                let coverage = (width / 2.0 + 0.5 - distance).clamp(0.0, 1.0);
                if coverage > 0.0 {
                    self.dot(x, y, ink.scaled(coverage));
                }
            }
        }
    }

    /// Covers a disc.
    pub(super) fn disc(&mut self, center: Point, diameter: f64, ink: Ink) {
        self.line(center, center, diameter, ink);
    }

    /// Covers the lines of a closed figure.
    pub(super) fn outline(&mut self, points: &[Point], width: f64, ink: Ink) {
        for (&from, &to) in points.iter().zip(points.iter().cycle().skip(1)) {
            self.line(from, to, width, ink);
        }
    }

    fn clip(&self, area: Area) -> Area {
        Area {
            left: area.left.max(0),
            top: area.top.max(0),
            right: area.right.min(i64::from(self.width)),
            bottom: area.bottom.min(i64::from(self.height)),
        }
    }

    fn index(&self, x: i64, y: i64) -> Option<usize> {
        let inside = (0..i64::from(self.width)).contains(&x) && (0..i64::from(self.height)).contains(&y);
        inside.then(|| (y as usize * self.width as usize + x as usize) * 3)
    }
}

impl From<RgbImage> for Canvas {
    fn from(image: RgbImage) -> Self {
        Self { width: image.width(), height: image.height(), pixels: image.into_pixels() }
    }
}

/// Distance of a point from the nearest point of a line that has ends.
fn distance_to_line(point: Point, from: Point, to: Point) -> f64 {
    let (along, offset) = ([to[0] - from[0], to[1] - from[1]], [point[0] - from[0], point[1] - from[1]]);
    let length_squared = along[0] * along[0] + along[1] * along[1];
    let share = (offset[0] * along[0] + offset[1] * along[1]) / length_squared;
    let share = if length_squared > 0.0 { share.clamp(0.0, 1.0) } else { 0.0 };
    (offset[0] - share * along[0]).hypot(offset[1] - share * along[1])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const RED: Rgb = [255, 0, 0];

    fn white(width: u32, height: u32) -> Canvas {
        Canvas::new(width, height, vec![255; (width * height * 3) as usize]).unwrap()
    }

    fn count(canvas: &Canvas, color: Rgb) -> usize {
        canvas.pixels().chunks_exact(3).filter(|pixel| *pixel == color).count()
    }

    #[test]
    fn bytes_must_fit_the_size() {
        assert!(Canvas::new(2, 2, vec![0; 11]).is_none());
        assert!(Canvas::new(u32::MAX, u32::MAX, vec![]).is_none());
    }

    #[test]
    fn a_frame_lies_inside_of_its_area_and_covers_each_pixel_once() {
        let mut canvas = white(20, 20);
        canvas.frame(Area::sized(2, 3, 10, 8), 2, Ink { color: [0, 0, 0], alpha: 0.5 });
        assert_eq!(count(&canvas, [128; 3]), 2 * 10 * 2 + 2 * 4 * 2);
        assert_eq!(canvas.pixel(2, 3), Some([128; 3]));
        assert_eq!(canvas.pixel(11, 10), Some([128; 3]));
        assert_eq!(
            (canvas.pixel(1, 3), canvas.pixel(4, 5), canvas.pixel(12, 10)),
            (Some([255; 3]), Some([255; 3]), Some([255; 3]))
        );
    }

    #[test]
    fn frames_that_are_flat_or_outside_are_no_trouble() {
        let mut canvas = white(10, 10);
        canvas.frame(Area::sized(3, 3, 0, 5), 2, Ink::solid(RED));
        canvas.frame(Area::sized(30, -50, 10, 10), 2, Ink::solid(RED));
        assert_eq!(count(&canvas, RED), 0);
        canvas.frame(Area::sized(3, 3, 3, 1), 2, Ink::solid(RED));
        assert_eq!(count(&canvas, RED), 3);
        canvas.line([f64::NAN, 0.0], [f64::INFINITY, -1e300], 3.0, Ink::solid(RED));
    }

    #[test]
    fn a_line_has_its_width_and_its_ends() {
        let mut canvas = white(20, 20);
        canvas.line([5.0, 10.0], [15.0, 10.0], 4.0, Ink::solid(RED));
        assert_eq!((7..13).filter(|&y| canvas.pixel(10, y) == Some(RED)).count(), 4);
        assert_eq!(canvas.pixel(18, 10), Some([255; 3]));
        assert_eq!(canvas.pixel(1, 10), Some([255; 3]));
    }

    #[test]
    fn a_frame_around_the_canvas_keeps_its_pixels() {
        let mut canvas = white(2, 2);
        canvas.dot(1, 1, Ink::solid(RED));
        let framed = canvas.framed(6, 3, [9; 3]);
        assert_eq!((framed.width(), framed.height()), (6, 3));
        assert_eq!(framed.pixel(3, 1), Some(RED));
        assert_eq!(
            (framed.pixel(1, 0), framed.pixel(2, 0), framed.pixel(2, 2)),
            (Some([9; 3]), Some([255; 3]), Some([9; 3]))
        );
    }
}
