//! Colours, and sizes that follow the picture's size.

use super::canvas::{Canvas, Ink, Rgb};

/// Colours that people with any colour vision tell apart: Okabe and Ito's (2008) without black, then Paul Tol's muted ones.
const PALETTE: [Rgb; 12] = [
    [0xe6, 0x9f, 0x00],
    [0x56, 0xb4, 0xe9],
    [0x00, 0x9e, 0x73],
    [0xcc, 0x79, 0xa7],
    [0xd5, 0x5e, 0x00],
    [0xf0, 0xe4, 0x42],
    [0x00, 0x72, 0xb2],
    [0x88, 0x22, 0x55],
    [0x44, 0xaa, 0x99],
    [0xaa, 0x44, 0x99],
    [0x99, 0x99, 0x33],
    [0x33, 0x22, 0x88],
];
/// Square root of a picture's pixels per pixel of line width, and per size of text.
const LINE_SHARE: f64 = 220.0;
const TEXT_SHARE: f64 = 340.0;

/// Sizes in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    /// Width of a box's line.
    pub line: i64,
    /// How many times the font is enlarged.
    pub text: i64,
}

impl Style {
    /// Sizes that look alike in pictures of all sizes.
    pub fn of(canvas: &Canvas) -> Self {
        let side = (f64::from(canvas.width()) * f64::from(canvas.height())).sqrt();
        Self { line: (side / LINE_SHARE).round().max(1.0) as i64, text: (side / TEXT_SHARE).round().max(1.0) as i64 }
    }
}

/// The colour of a class.
pub(super) fn class_color(class_id: Option<u32>, label: &str) -> Rgb {
    // FNV-1a, so that a name has the same colour in every picture.
    let hash = || label.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    PALETTE[class_id.unwrap_or_else(hash) as usize % PALETTE.len()]
}

/// Black or white, whichever reads better on a colour (relative luminance as in WCAG 2).
pub(super) fn text_ink(background: Rgb) -> Ink {
    let [r, g, b] = background.map(|channel| (f64::from(channel) / 255.0).powf(2.2));
    let luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    Ink::solid(if luminance > 0.179 { [0; 3] } else { [255; 3] })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sizes_follow_the_picture() {
        let of = |width: u32, height: u32| {
            Style::of(&Canvas::new(width, height, vec![0; (width * height * 3) as usize]).unwrap())
        };
        assert_eq!(of(1, 1), Style { line: 1, text: 1 });
        assert_eq!(of(640, 480), Style { line: 3, text: 2 });
        assert!(of(4000, 3000).line > of(1920, 1080).line);
    }

    #[test]
    fn a_class_keeps_its_colour_and_text_is_readable_on_it() {
        assert_eq!(class_color(None, "cat"), class_color(None, "cat"));
        assert_ne!(class_color(Some(0), "x"), class_color(Some(1), "x"));
        assert_eq!(class_color(Some(u32::MAX), ""), PALETTE[u32::MAX as usize % PALETTE.len()]);
        assert_eq!(text_ink([0xf0, 0xe4, 0x42]).color, [0; 3]);
        assert_eq!(text_ink([0x33, 0x22, 0x88]).color, [255; 3]);
    }
}
