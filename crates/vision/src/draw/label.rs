//! Labels: a name and a share on the class's colour, somewhere beside the object where nothing covers it.

use super::canvas::{Area, Canvas, Ink, Rgb};
use super::font;
use super::style::{Style, text_ink};

/// Blank pixels around a label's text, at size 1.
const PADDING_PX: i64 = 2;
/// Rows below the baseline, at size 1: they serve as the lower padding.
const DESCENT_PX: i64 = 2;

/// Labels of one picture, in the order in which they get their places.
#[derive(Debug, Default)]
pub(super) struct Labels {
    taken: Vec<Area>,
}

impl Labels {
    /// Writes a label beside an object, unless other labels leave no room there: its colour still tells its class.
    pub fn put(&mut self, canvas: &mut Canvas, style: Style, object: Area, name: &str, share: f64, color: Rgb) {
        let room = (i64::from(canvas.width()) - 2 * PADDING_PX * style.text) / style.text;
        let text = shorten(name, &format!(" {}", percent(share)), room);
        let Some(area) = self.place(canvas, style, object, &text) else { return };
        self.taken.push(area);
        canvas.fill(area, Ink { color, alpha: 0.9 });
        let padding = PADDING_PX * style.text;
        font::write(canvas, &text, area.left + padding, area.top + padding, style.text, text_ink(color));
    }

    /// The first free place of those above the object, inside, below and at its lower edge, at its left or right.
    fn place(&self, canvas: &Canvas, style: Style, object: Area, text: &str) -> Option<Area> {
        let width = (font::width_px(text) + 2 * PADDING_PX) * style.text;
        let height = (font::HEIGHT_PX - DESCENT_PX + 2 * PADDING_PX) * style.text;
        let rightmost = (i64::from(canvas.width()) - width).max(0);
        let lowest = (i64::from(canvas.height()) - height).max(0);
        let lefts = [object.left, object.right - width].map(|left| left.clamp(0, rightmost));
        let tops = [object.top - height, object.top, object.bottom, object.bottom - height];
        let inside = tops.into_iter().filter(|top| (0..=lowest).contains(top));
        // For objects at whose edges there is no place inside of the picture at all.
        let tops = inside.chain([object.top.clamp(0, lowest)]);
        let mut places = tops.flat_map(|top| lefts.map(|left| Area::sized(left, top, width, height)));
        places.find(|place| self.taken.iter().all(|taken| !taken.meets(place)))
    }
}

/// A share as people read it.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0}%", share.clamp(0.0, 1.0) * 100.0)
}

/// `name` and `end`, the name cut where both do not fit into `room_px` at size 1.
pub(super) fn shorten(name: &str, end: &str, room_px: i64) -> String {
    let whole = format!("{name}{end}");
    if font::width_px(&whole) <= room_px {
        return whole;
    }
    let most = (room_px + 1) / font::ADVANCE_PX - end.len() as i64 - 2;
    let start: String = name.chars().take(usize::try_from(most).unwrap_or(0)).collect();
    format!("{start}..{end}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const STYLE: Style = Style { line: 1, text: 1 };
    const COLOR: Rgb = [0, 158, 115];

    fn canvas(width: u32, height: u32) -> Canvas {
        Canvas::new(width, height, vec![255; (width * height * 3) as usize]).unwrap()
    }

    #[test]
    fn labels_stay_inside_of_the_picture_wherever_the_object_is() {
        let mut labels = Labels::default();
        let mut picture = canvas(100, 60);
        for (left, top, width, height) in
            [(0, 0, 100, 60), (90, 55, 30, 30), (-20, -20, 10, 10), (40, 30, 10, 0), (5000, 5000, 1, 1)]
        {
            labels.put(&mut picture, STYLE, Area::sized(left, top, width, height), "triangle", 0.987, COLOR);
        }
        for area in &labels.taken {
            assert!(area.left >= 0 && area.top >= 0 && area.right <= 100 && area.bottom <= 60, "{area:?}");
        }
    }

    #[test]
    fn labels_stand_beside_their_object_and_never_on_each_other() {
        let mut labels = Labels::default();
        let mut picture = canvas(100, 70);
        let object = Area::sized(10, 20, 80, 30);
        for _ in 0..20 {
            labels.put(&mut picture, STYLE, object, "a", 0.5, COLOR);
        }
        let corners: Vec<_> = labels.taken.iter().map(|area| (area.left, area.top)).collect();
        assert_eq!(corners, [(10, 9), (57, 9), (10, 20), (57, 20), (10, 50), (57, 50), (10, 39), (57, 39)]);
        assert_ne!(picture.pixel(11, 10), Some([255; 3]));
    }

    #[test]
    fn long_names_are_cut_but_the_share_is_not() {
        assert_eq!(shorten("triangle", " 97%", 200), "triangle 97%");
        assert_eq!(shorten("triangle", " 97%", 59), "tria.. 97%");
        assert_eq!(shorten("triangle", " 97%", 0), ".. 97%");
        assert_eq!(
            (percent(0.995), percent(f64::NAN), percent(7.0)),
            ("100%".to_owned(), "NaN%".to_owned(), "100%".to_owned())
        );
    }
}
