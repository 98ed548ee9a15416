//! The order of things: masks, then boxes and points, then labels, so that nothing hides a label.

use super::canvas::{Area, Canvas, Ink, Rgb};
use super::caption;
use super::finding::{Finding, Rect};
use super::label::Labels;
use super::style::{Style, class_color};
use crate::picture::{PictureError, RgbImage};

/// How much a mask covers.
const MASK_ALPHA: f64 = 0.42;
/// A dark seam beside lines keeps them visible on a ground of their own colour.
const SEAM: Ink = Ink { color: [0; 3], alpha: 0.45 };
/// Key points that are less visible than this are left out.
const LEAST_VISIBILITY: f64 = 0.5;
/// Diameter of a key point in widths of a line.
const POINT_LINES: f64 = 4.0;
/// Farther from the picture's corner than any picture is large.
const FARTHEST_PX: f64 = 1e6;

/// Draws findings, given in descending confidence, into the picture that they were found in. The answer is larger than the
/// picture when there is a caption to be written below it.
pub fn annotate(mut canvas: Canvas, findings: &[Finding]) -> Canvas {
    let style = Style::of(&canvas);
    // The surest ones come last and so lie on top.
    for finding in findings.iter().rev() {
        if let Some(mask) = &finding.mask {
            mask.fill(&mut canvas, Ink { color: color(finding), alpha: MASK_ALPHA });
        }
    }
    for finding in findings.iter().rev() {
        shape(&mut canvas, style, finding);
    }
    // The surest ones choose their labels' places first.
    let mut labels = Labels::default();
    for finding in findings {
        if let Some(rect) = finding.bounding_box {
            labels.put(&mut canvas, style, area(rect), &finding.label, finding.confidence, color(finding));
        }
    }
    match findings.iter().find(|finding| !finding.predictions.is_empty()) {
        Some(finding) => caption::below(canvas, style, &finding.predictions),
        None => canvas,
    }
}

/// As [`annotate`], for a picture; an error means more pixels than a picture may have.
pub fn annotated(image: RgbImage, findings: &[Finding]) -> Result<RgbImage, PictureError> {
    let drawn = annotate(Canvas::from(image), findings);
    RgbImage::new(drawn.width(), drawn.height(), drawn.into_pixels())
}

fn shape(canvas: &mut Canvas, style: Style, finding: &Finding) {
    let ink = Ink::solid(color(finding));
    let line = style.line as f64;
    if finding.corners.len() >= 3 {
        canvas.outline(&finding.corners, line + 2.0, SEAM);
        canvas.outline(&finding.corners, line, ink);
    } else if let Some(rect) = finding.bounding_box {
        // A mask says more than its box.
        let line = if finding.mask.is_some() { (style.line / 2).max(1) } else { style.line };
        let area = area(rect);
        canvas.frame(grown(area, 1), line + 2, SEAM);
        canvas.frame(area, line, ink);
    }
    if finding.polygon.len() >= 3 {
        canvas.outline(&finding.polygon, line, ink);
    }
    for &(x, y, visibility) in &finding.keypoints {
        if visibility.is_none_or(|visibility| visibility >= LEAST_VISIBILITY) {
            canvas.disc([x, y], line * POINT_LINES + 2.0, SEAM);
            canvas.disc([x, y], line * POINT_LINES, ink);
        }
    }
}

fn color(finding: &Finding) -> Rgb {
    class_color(finding.class_id, &finding.label)
}

/// The pixels that a box covers; a box without width or height still has its line.
fn area(rect: Rect) -> Area {
    let [left, top] = [rect.x, rect.y].map(pixel);
    let [right, bottom] = [rect.x + rect.width, rect.y + rect.height].map(pixel);
    Area { left, top, right: right.max(left + 1), bottom: bottom.max(top + 1) }
}

/// The nearest edge between pixels, within what no sum of lengths overflows.
fn pixel(at: f64) -> i64 {
    at.clamp(-FARTHEST_PX, FARTHEST_PX).round() as i64
}

fn grown(area: Area, by: i64) -> Area {
    Area { left: area.left - by, top: area.top - by, right: area.right + by, bottom: area.bottom + by }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::draw::{ClassScore, Mask};

    fn gray(width: u32, height: u32) -> Canvas {
        Canvas::new(width, height, vec![128; (width * height * 3) as usize]).unwrap()
    }

    fn found(x: f64, y: f64, width: f64, height: f64) -> Finding {
        let bounding_box = Some(Rect { x, y, width, height });
        Finding { label: "cat".into(), class_id: Some(2), confidence: 0.9, bounding_box, ..Finding::default() }
    }

    fn has(canvas: &Canvas, x: u32, y: u32, color: Rgb) -> bool {
        canvas.pixel(x, y) == Some(color)
    }

    #[test]
    fn a_box_is_drawn_on_its_edges_and_leaves_its_inside_alone() {
        let drawn = annotate(gray(200, 200), &[found(50.0, 60.0, 80.0, 70.0)]);
        let color = class_color(Some(2), "cat");
        for (x, y) in [(50, 129), (129, 129), (129, 60), (50, 100), (90, 129)] {
            assert!(has(&drawn, x, y, color), "{x} {y}: {:?}", drawn.pixel(x, y));
        }
        assert!(has(&drawn, 90, 100, [128; 3]) && has(&drawn, 10, 190, [128; 3]));
        assert!(drawn.pixel(130, 100).unwrap()[0] < 128, "the seam");
        assert!(!has(&drawn, 55, 52, [128; 3]), "the label");
    }

    #[test]
    fn a_mask_lets_the_picture_through_where_it_lies_only() {
        let mask = Mask { size: [100, 100], counts: vec![30 * 100, 10 * 100, 60 * 100] };
        let drawn = annotate(gray(100, 100), &[Finding { mask: Some(mask), ..found(20.0, 20.0, 70.0, 70.0) }]);
        let inside = drawn.pixel(35, 5).unwrap();
        assert!(inside != [128; 3] && inside != class_color(Some(2), "cat"));
        assert!(has(&drawn, 45, 5, [128; 3]) && has(&drawn, 25, 95, [128; 3]));
    }

    #[test]
    fn corners_take_the_place_of_the_upright_box() {
        let corners = vec![[100.0, 50.0], [150.0, 100.0], [100.0, 150.0], [50.0, 100.0]];
        let drawn = annotate(gray(200, 200), &[Finding { corners, ..found(50.0, 50.0, 100.0, 100.0) }]);
        assert!(has(&drawn, 50, 149, [128; 3]), "no corner of the upright box");
        assert!(!has(&drawn, 75, 125, [128; 3]) && !has(&drawn, 125, 125, [128; 3]));
    }

    #[test]
    fn hidden_key_points_are_left_out() {
        let keypoints = vec![(60.0, 120.0, Some(0.9)), (100.0, 120.0, Some(0.1)), (140.0, 120.0, None)];
        let drawn = annotate(gray(200, 200), &[Finding { keypoints, ..found(20.0, 20.0, 160.0, 160.0) }]);
        let color = class_color(Some(2), "cat");
        assert!(has(&drawn, 60, 120, color) && has(&drawn, 140, 120, color) && has(&drawn, 100, 120, [128; 3]));
    }

    #[test]
    fn a_classification_is_written_below() {
        let predictions = vec![ClassScore { label: "cat".into(), class_id: None, confidence: 1.0 }];
        let drawn = annotate(gray(300, 100), &[Finding { predictions, ..Finding::default() }]);
        assert_eq!(drawn.width(), 300);
        assert!(drawn.height() > 100 && has(&drawn, 299, 99, [128; 3]));
    }

    #[test]
    fn nothing_that_an_answer_says_breaks_drawing() {
        let mut strange = vec![];
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300, 0.0] {
            let mut finding = found(value, value, value, value);
            finding.confidence = value;
            finding.corners = vec![[value, 1.0], [1.0, value], [value, value]];
            finding.polygon = finding.corners.clone();
            finding.keypoints = vec![(value, value, Some(value))];
            strange.push(finding.clone());
            strange.push(Finding { corners: vec![], ..finding });
        }
        strange.push(Finding { label: "\u{202e}日本\n".repeat(500), ..found(1.0, 1.0, 0.0, 0.0) });
        for (width, height) in [(1, 1), (3, 200), (200, 3)] {
            let drawn = annotate(gray(width, height), &strange);
            assert_eq!((drawn.width(), drawn.height()), (width, height));
        }
    }
}
