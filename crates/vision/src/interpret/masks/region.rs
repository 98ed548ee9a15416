//! The part of a mask inside a box.

use crate::{geometry::Size, interpret::boxes::Edges};

/// Whole pixels `left..right` x `top..bottom`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Window {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) right: usize,
    pub(super) bottom: usize,
}

impl Window {
    /// The pixels whose numbers lie inside the edges (the first ones inclusive, the last ones not) and inside `size`.
    pub(super) fn of(edges: Edges, size: Size) -> Self {
        let first = |edge: f32, side: u32| (edge.ceil().max(0.0) as usize).min(side as usize);
        let left = first(edges.left, size.width);
        let top = first(edges.top, size.height);
        Self {
            left,
            top,
            right: first(edges.right, size.width).max(left),
            bottom: first(edges.bottom, size.height).max(top),
        }
    }

    pub(super) fn width(&self) -> usize {
        self.right - self.left
    }

    pub(super) fn height(&self) -> usize {
        self.bottom - self.top
    }

    pub(super) fn is_empty(&self) -> bool {
        self.width() == 0 || self.height() == 0
    }
}

/// A drawn window: rows of bytes, 1 inside the mask and 0 outside. Its memory is used again for the next one.
#[derive(Debug, Default)]
pub(super) struct Region {
    pub(super) window: Window,
    pub(super) pixels: Vec<u8>,
}

impl Region {
    /// Takes a new window, empty.
    pub(super) fn reset(&mut self, window: Window) {
        self.window = window;
        self.pixels.clear();
        self.pixels.resize(window.width() * window.height(), 0);
    }

    /// Whether a pixel, counted from the window's corner, is in the mask; outside the window none is.
    pub(super) fn contains(&self, x: i64, y: i64) -> bool {
        let (width, height) = (self.window.width() as i64, self.window.height() as i64);
        (0..width).contains(&x) && (0..height).contains(&y) && self.pixels[(y * width + x) as usize] != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_takes_the_pixels_from_edge_to_edge() {
        let size = Size { width: 100, height: 50 };
        let edges = Edges { left: 1.0, top: 1.1, right: 4.0, bottom: 3.9 };
        assert_eq!(Window::of(edges, size), Window { left: 1, top: 2, right: 4, bottom: 4 });
        let beyond = Edges { left: -3.0, top: 49.5, right: 1e30, bottom: 60.0 };
        assert_eq!(Window::of(beyond, size), Window { left: 0, top: 50, right: 100, bottom: 50 });
        let reversed = Edges { left: 9.0, top: 9.0, right: 2.0, bottom: 2.0 };
        assert!(Window::of(reversed, size).is_empty());
    }
}
