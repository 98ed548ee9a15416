//! Payloads of what is found in one picture or frame. Lengths are pixels of the upright original.

use serde::{Deserialize, Serialize};

use super::{Payload, require, share};
use crate::error::FieldError;

/// An upright box: its left upper corner and its size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundingBox {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width; 0 for a box that lies wholly outside of the picture's edge.
    pub width: f64,
    /// Height; 0 likewise.
    pub height: f64,
}

impl BoundingBox {
    /// Checks that the box is finite and nothing of it is negative; with `strict` it must also have an area.
    pub(crate) fn validate(&self, strict: bool) -> Result<(), FieldError> {
        for (name, value) in [("x", self.x), ("y", self.y), ("width", self.width), ("height", self.height)] {
            let good = value.is_finite() && value >= 0.0 && !(strict && name.len() > 1 && value == 0.0);
            require(good, &format!("bounding_box.{name}"), || format!("must not be negative, was {value}"))?;
        }
        Ok(())
    }
}

/// A point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// From the left.
    pub x: f64,
    /// From the top.
    pub y: f64,
}

/// A box around an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectDetectionV1 {
    /// The class's name.
    pub label: String,
    /// The class's number in the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_id: Option<u32>,
    /// 0 to 1.
    pub confidence: f64,
    /// Where.
    pub bounding_box: BoundingBox,
    /// The frame, from 0; 0 for a picture.
    pub frame_number: u64,
}

impl Payload for ObjectDetectionV1 {
    fn validate(&self) -> Result<(), FieldError> {
        share("confidence", self.confidence)?;
        self.bounding_box.validate(false)
    }
}

/// A mask as uncompressed COCO run lengths: column by column, the first run is zeros.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskRle {
    /// Height and width.
    pub size: [u32; 2],
    /// Lengths of the runs; their sum is height times width.
    pub counts: Vec<u32>,
}

impl MaskRle {
    /// How many pixels are set.
    pub fn area_px(&self) -> u64 {
        self.counts.iter().skip(1).step_by(2).map(|&run| u64::from(run)).sum()
    }

    fn validate(&self) -> Result<(), FieldError> {
        let [height, width] = self.size.map(u64::from);
        let sum: u64 = self.counts.iter().map(|&run| u64::from(run)).sum();
        require(sum == height * width, "mask_rle.counts", || format!("must add up to {height} x {width}, was {sum}"))
    }
}

/// An object with its mask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentationV1 {
    /// The class's name.
    pub label: String,
    /// The class's number in the model.
    pub class_id: u32,
    /// 0 to 1.
    pub confidence: f64,
    /// The box around it.
    pub bounding_box: BoundingBox,
    /// How many pixels the mask has.
    pub area_px: u64,
    /// The mask.
    pub mask_rle: MaskRle,
    /// The outline of the mask's largest part.
    pub polygon: Vec<[f64; 2]>,
}

impl Payload for SegmentationV1 {
    fn validate(&self) -> Result<(), FieldError> {
        share("confidence", self.confidence)?;
        self.bounding_box.validate(false)?;
        self.mask_rle.validate()?;
        let area = self.mask_rle.area_px();
        require(self.area_px == area, "area_px", || format!("must be the mask's {area} pixels, was {}", self.area_px))?;
        require(self.polygon.iter().flatten().all(|v| v.is_finite()), "polygon", || "must be finite".to_owned())
    }
}

/// A box that may be turned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrientedDetectionV1 {
    /// The class's name.
    pub label: String,
    /// The class's number in the model.
    pub class_id: u32,
    /// 0 to 1.
    pub confidence: f64,
    /// The middle.
    pub center: Point,
    /// Length of the edge along the angle.
    pub width: f64,
    /// Length of the other edge.
    pub height: f64,
    /// In radians, from the x axis towards the y axis.
    pub angle_rad: f64,
    /// The four corners.
    pub corners: [[f64; 2]; 4],
    /// The upright box around the corners.
    pub bounding_box: BoundingBox,
    /// The frame, from 0; 0 for a picture.
    pub frame_number: u64,
}

impl Payload for OrientedDetectionV1 {
    fn validate(&self) -> Result<(), FieldError> {
        share("confidence", self.confidence)?;
        for (name, value) in [("width", self.width), ("height", self.height)] {
            require(value.is_finite() && value >= 0.0, name, || format!("must not be negative, was {value}"))?;
        }
        let rest = [self.angle_rad, self.center.x, self.center.y];
        let finite = rest.iter().chain(self.corners.iter().flatten()).all(|v| v.is_finite());
        require(finite, "corners", || "must be finite".to_owned())?;
        // Turned boxes are not clipped: the box around them may begin outside of the picture.
        let b = &self.bounding_box;
        require([b.x, b.y, b.width, b.height].iter().all(|v| v.is_finite()), "bounding_box", || {
            "must be finite".to_owned()
        })
    }
}

/// A box around a body, with its key points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoseDetectionV1 {
    /// The class's name.
    pub label: String,
    /// The class's number in the model.
    pub class_id: u32,
    /// 0 to 1.
    pub confidence: f64,
    /// Where.
    pub bounding_box: BoundingBox,
    /// x, y and visibility where the model gives one.
    pub keypoints: Vec<(f64, f64, Option<f64>)>,
    /// The frame, from 0; 0 for a picture.
    pub frame_number: u64,
}

impl Payload for PoseDetectionV1 {
    fn validate(&self) -> Result<(), FieldError> {
        share("confidence", self.confidence)?;
        self.bounding_box.validate(false)?;
        let finite =
            |&(x, y, v): &(f64, f64, Option<f64>)| x.is_finite() && y.is_finite() && v.unwrap_or(0.0).is_finite();
        require(self.keypoints.iter().all(finite), "keypoints", || "must be finite".to_owned())
    }
}

/// One class of a classification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassScore {
    /// The class's name.
    pub label: String,
    /// The class's number in the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_id: Option<u32>,
    /// 0 to 1.
    pub confidence: f64,
}

/// The classes of a picture, the best first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassificationV1 {
    /// At least one.
    pub predictions: Vec<ClassScore>,
}

impl Payload for ClassificationV1 {
    fn validate(&self) -> Result<(), FieldError> {
        validate_scores(&self.predictions)
    }
}

/// Checks that there is at least one class and that each has a sane confidence.
pub(crate) fn validate_scores(scores: &[ClassScore]) -> Result<(), FieldError> {
    require(!scores.is_empty(), "predictions", || "must have at least one class".to_owned())?;
    scores
        .iter()
        .enumerate()
        .try_for_each(|(i, score)| share(&format!("predictions[{i}].confidence"), score.confidence))
}
