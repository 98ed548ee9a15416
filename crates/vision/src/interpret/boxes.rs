//! Upright boxes, from input pixels back to the original.

use super::candidates::Candidate;
use crate::{
    geometry::Letterbox,
    output::{BoundingBox, Detection},
    profile::ClassNames,
};

/// The edges of an upright box; right and bottom are not inside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Edges {
    pub(super) left: f32,
    pub(super) top: f32,
    pub(super) right: f32,
    pub(super) bottom: f32,
}

impl Edges {
    pub(super) fn of(candidate: &Candidate) -> Self {
        let [left, top, right, bottom] = candidate.place;
        Self { left, top, right, bottom }
    }

    /// The edges in original pixels, cut to the picture. A box in the padding becomes flat on the border.
    pub(super) fn to_original(self, letterbox: &Letterbox) -> Self {
        let back = Back::new(letterbox);
        let (left, top) = back.point_inside(self.left, self.top);
        let (right, bottom) = back.point_inside(self.right, self.bottom);
        Self { left, top, right, bottom }
    }

    pub(super) fn bounding_box(self) -> BoundingBox {
        BoundingBox {
            x: self.left,
            y: self.top,
            width: (self.right - self.left).max(0.0),
            height: (self.bottom - self.top).max(0.0),
        }
    }
}

/// The way from input pixels to original pixels.
pub(super) struct Back {
    pad_left: f32,
    pad_top: f32,
    gain_x: f32,
    gain_y: f32,
    width: f32,
    height: f32,
}

impl Back {
    pub(super) fn new(letterbox: &Letterbox) -> Self {
        let (gain_x, gain_y) = letterbox.gains();
        Self {
            pad_left: letterbox.pad_left as f32,
            pad_top: letterbox.pad_top as f32,
            gain_x: gain_x as f32,
            gain_y: gain_y as f32,
            width: letterbox.original.width as f32,
            height: letterbox.original.height as f32,
        }
    }

    /// A point, wherever it lies.
    pub(super) fn point(&self, x: f32, y: f32) -> (f32, f32) {
        ((x - self.pad_left) / self.gain_x, (y - self.pad_top) / self.gain_y)
    }

    /// A point, moved to the border if it lies outside the picture.
    pub(super) fn point_inside(&self, x: f32, y: f32) -> (f32, f32) {
        let (x, y) = self.point(x, y);
        (x.clamp(0.0, self.width), y.clamp(0.0, self.height))
    }

    /// Lengths across and down.
    pub(super) fn lengths(&self, width: f32, height: f32) -> (f32, f32) {
        (width / self.gain_x, height / self.gain_y)
    }
}

/// A score as a confidence: models without a last activation may pass 1.
pub(super) fn confidence(candidate: &Candidate) -> f32 {
    candidate.score.min(1.0)
}

pub(super) fn detection(candidate: &Candidate, letterbox: &Letterbox, names: &ClassNames) -> Detection {
    Detection {
        class_id: candidate.class_id,
        label: names.label(candidate.class_id),
        confidence: confidence(candidate),
        bounding_box: Edges::of(candidate).to_original(letterbox).bounding_box(),
    }
}
