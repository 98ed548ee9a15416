//! A font of 5 x 9 pixels for printable ASCII, drawn for this program in `font.txt`, in any whole size.

use super::canvas::{Canvas, Ink};

const COLUMNS: usize = 5;
const ROWS: usize = 9;
const PER_BAND: usize = 16;
const GLYPHS: usize = 96;
const FIRST: u32 = ' ' as u32;
/// Stands for every character that the font lacks.
const UNKNOWN: usize = GLYPHS - 1;

/// From one character to the next, at size 1.
pub(super) const ADVANCE_PX: i64 = COLUMNS as i64 + 1;
/// Height of a line with its descenders, at size 1.
pub(super) const HEIGHT_PX: i64 = ROWS as i64;

/// Each glyph's rows, the leftmost column in the highest of five bits.
const FONT: [[u8; ROWS]; GLYPHS] = read(include_bytes!("font.txt"));

/// Reads the drawing: bands of 16 glyphs beside each other, a blank column between.
const fn read(text: &[u8]) -> [[u8; ROWS]; GLYPHS] {
    let stride = PER_BAND * (COLUMNS + 1);
    assert!(text.len() == GLYPHS / PER_BAND * ROWS * stride);
    let mut font = [[0; ROWS]; GLYPHS];
    let mut at = 0;
    while at < text.len() {
        let (line, column) = (at / stride, at % stride);
        let glyph = line / ROWS * PER_BAND + column / (COLUMNS + 1);
        if text[at] == b'#' {
            font[glyph][line % ROWS] |= 1 << (COLUMNS - 1 - column % (COLUMNS + 1));
        }
        at += 1;
    }
    font
}

/// Width of a text at size 1; the gap after the last character does not count.
pub(super) fn width_px(text: &str) -> i64 {
    (text.chars().count() as i64 * ADVANCE_PX - 1).max(0)
}

/// Writes a line of text with its left upper corner at `x`, `y`.
pub(super) fn write(canvas: &mut Canvas, text: &str, x: i64, y: i64, size: i64, ink: Ink) {
    for (index, c) in text.chars().enumerate() {
        let glyph = &FONT[usize::try_from((c as u32).wrapping_sub(FIRST)).map_or(UNKNOWN, |at| at.min(UNKNOWN))];
        put(canvas, glyph, x + index as i64 * ADVANCE_PX * size, y, size, ink);
    }
}

fn put(canvas: &mut Canvas, glyph: &[u8; ROWS], x: i64, y: i64, size: i64, ink: Ink) {
    for row in 0..HEIGHT_PX * size {
        for column in 0..COLUMNS as i64 * size {
            let coverage = coverage(glyph, column, row, size as f64);
            if coverage > 0.0 {
                canvas.dot(x + column, y + row, Ink { alpha: ink.alpha * coverage, ..ink });
            }
        }
    }
}

/// How much of a pixel of the enlarged glyph is ink: the drawing is interpolated and cut at one half, which keeps straight
/// edges sharp and rounds corners.
fn coverage(glyph: &[u8; ROWS], column: i64, row: i64, size: f64) -> f64 {
    let [u, v] = [column, row].map(|at| (at as f64 + 0.5) / size - 0.5);
    let (left, top) = (u.floor(), v.floor());
    let (right_share, lower_share) = (u - left, v - top);
    let bit = |dx: i64, dy: i64| f64::from(u8::from(is_ink(glyph, left as i64 + dx, top as i64 + dy)));
    let upper = bit(0, 0) * (1.0 - right_share) + bit(1, 0) * right_share;
    let lower = bit(0, 1) * (1.0 - right_share) + bit(1, 1) * right_share;
    ((upper * (1.0 - lower_share) + lower * lower_share - 0.5) * size + 0.5).clamp(0.0, 1.0)
}

fn is_ink(glyph: &[u8; ROWS], column: i64, row: i64) -> bool {
    let inside = (0..COLUMNS as i64).contains(&column) && (0..ROWS as i64).contains(&row);
    inside && glyph[row as usize] >> (COLUMNS as i64 - 1 - column) & 1 == 1
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn written(text: &str, size: i64) -> Vec<String> {
        let (width, height) = ((width_px(text) * size) as u32, (HEIGHT_PX * size) as u32);
        let mut canvas = Canvas::new(width, height, vec![255; (width * height * 3) as usize]).unwrap();
        write(&mut canvas, text, 0, 0, size, Ink::solid([0; 3]));
        let row = |y| (0..width).map(|x| if canvas.pixel(x, y).unwrap()[0] < 128 { '#' } else { '.' }).collect();
        (0..height).map(row).collect()
    }

    #[test]
    fn letters_look_like_themselves() {
        let drawn = written("Tg", 1);
        assert_eq!(drawn[..3], ["#####......", "..#........", "..#....####"]);
        assert_eq!(drawn[7..], ["..........#", ".......###."]);
    }

    #[test]
    fn all_glyphs_differ_and_only_the_blank_is_empty() {
        for (index, glyph) in FONT.iter().enumerate() {
            assert_eq!(glyph.iter().all(|&row| row == 0), index == 0, "{index}");
            assert!(!FONT[..index].contains(glyph), "{index}");
        }
    }

    #[test]
    fn what_the_font_lacks_is_a_box() {
        for other in ["é", "日", "\n", "\u{10ffff}", "\u{7f}"] {
            assert_eq!(written(other, 1)[..2], ["#####", "#...#"], "{other:?}");
        }
    }

    #[test]
    fn straight_edges_stay_sharp_when_enlarged() {
        let drawn = written("|", 4);
        assert!(drawn[4..28].iter().all(|row| row == "........####........"), "{drawn:?}");
    }
}
