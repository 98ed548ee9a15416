//! What the picture as a whole shows, written below it: a bar for each of the likeliest classes.

use super::canvas::{Area, Canvas, Ink, Rgb};
use super::finding::ClassScore;
use super::font;
use super::label::{percent, shorten};
use super::style::{Style, class_color};

/// Most classes that are written.
const MOST_CLASSES: usize = 5;
/// Least width of the caption in characters, which makes room for names below small pictures.
const LEAST_CHARACTERS: i64 = 24;
/// Pixels at size 1: between the text and the edges, a row of text with its bar, and the bar itself.
const MARGIN_PX: i64 = 5;
const ROW_PX: i64 = 16;
const BAR_PX: i64 = 3;
const BACKGROUND: Rgb = [0x1d, 0x20, 0x26];
const TEXT: Rgb = [0xf2, 0xf2, 0xf2];
const EMPTY_BAR: Rgb = [0x3a, 0x3f, 0x49];

/// The picture with a caption below it.
pub(super) fn below(canvas: Canvas, style: Style, scores: &[ClassScore]) -> Canvas {
    let scores = &scores[..scores.len().min(MOST_CLASSES)];
    let margin = MARGIN_PX * style.text;
    let least = LEAST_CHARACTERS * font::ADVANCE_PX * style.text + 2 * margin;
    let top = i64::from(canvas.height());
    let height = scores.len() as i64 * ROW_PX * style.text + 2 * margin;
    let (width, total) = (u32::try_from(least).unwrap_or(0), u32::try_from(top + height).unwrap_or(u32::MAX));
    let mut framed = canvas.framed(width, total, BACKGROUND);
    for (index, score) in scores.iter().enumerate() {
        row(&mut framed, style, top + margin + index as i64 * ROW_PX * style.text, score);
    }
    framed
}

fn row(canvas: &mut Canvas, style: Style, top: i64, score: &ClassScore) {
    let margin = MARGIN_PX * style.text;
    let width = i64::from(canvas.width()) - 2 * margin;
    let share = percent(score.confidence);
    let share_px = font::width_px(&share);
    let name = shorten(&score.label, "", width / style.text - share_px - font::ADVANCE_PX);
    font::write(canvas, &name, margin, top, style.text, Ink::solid(TEXT));
    font::write(canvas, &share, margin + width - share_px * style.text, top, style.text, Ink::solid(TEXT));
    let bar = Area::sized(margin, top + (font::HEIGHT_PX + 1) * style.text, width, BAR_PX * style.text);
    let filled = (width as f64 * score.confidence.clamp(0.0, 1.0)).round() as i64;
    canvas.fill(bar, Ink::solid(EMPTY_BAR));
    canvas.fill(Area { right: bar.left + filled, ..bar }, Ink::solid(class_color(score.class_id, &score.label)));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn score(label: &str, class_id: u32, confidence: f64) -> ClassScore {
        ClassScore { label: label.to_owned(), class_id: Some(class_id), confidence }
    }

    #[test]
    fn bars_are_as_long_as_the_classes_are_likely() {
        let canvas = Canvas::new(400, 10, vec![255; 400 * 10 * 3]).unwrap();
        let captioned = below(canvas, Style { line: 1, text: 1 }, &[score("a", 0, 0.75), score("b", 1, 0.25)]);
        assert_eq!((captioned.width(), captioned.height()), (400, 10 + 2 * 16 + 10));
        let length =
            |y, class| (0..400).filter(|&x| captioned.pixel(x, y) == Some(class_color(Some(class), ""))).count();
        assert_eq!((length(26, 0), length(42, 1)), (293, 98));
        assert_eq!(captioned.pixel(0, 0), Some([255; 3]));
    }

    #[test]
    fn a_small_picture_gets_room_for_its_caption() {
        let canvas = Canvas::new(64, 64, vec![255; 64 * 64 * 3]).unwrap();
        let many: Vec<ClassScore> = (0..20).map(|class| score("class", class, 0.05)).collect();
        let captioned = below(canvas, Style { line: 1, text: 1 }, &many);
        assert_eq!((captioned.width(), captioned.height()), (154, 64 + 5 * 16 + 10));
        assert_eq!((captioned.pixel(44, 0), captioned.pixel(45, 0)), (Some(BACKGROUND), Some([255; 3])));
    }
}
