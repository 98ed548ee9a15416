//! What a prediction answers, ready for JSON. Coordinates are pixels of the upright original; numbers are finite.

use serde::{Deserialize, Serialize};

/// The result of one picture, best first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "items", rename_all = "snake_case", deny_unknown_fields)]
pub enum VisionOutput {
    /// Upright boxes.
    Detections(Vec<Detection>),
    /// Boxes with masks.
    Segments(Vec<Segment>),
    /// Turned boxes.
    Oriented(Vec<OrientedDetection>),
    /// Boxes with key points.
    Poses(Vec<PoseDetection>),
    /// Probabilities of the whole picture.
    Classification(Classification),
}

/// An upright box; width or height is 0 for a box that lies outside the picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundingBox {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

/// A point with named coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// From the left.
    pub x: f32,
    /// From the top.
    pub y: f32,
}

/// One object found by a detector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detection {
    /// The class's channel, from 0.
    pub class_id: u32,
    /// The class's name, or its number when the model names none.
    pub label: String,
    /// The score, above the threshold that was asked for.
    pub confidence: f32,
    /// Where it is, cut to the picture.
    pub bounding_box: BoundingBox,
}

/// One object found by a segmentation model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// The class's channel, from 0.
    pub class_id: u32,
    /// The class's name, or its number when the model names none.
    pub label: String,
    /// The score, above the threshold that was asked for.
    pub confidence: f32,
    /// Where it is, cut to the picture.
    pub bounding_box: BoundingBox,
    /// Pixels in the mask, at least 1.
    pub area_px: u64,
    /// The mask.
    pub mask_rle: MaskRle,
    /// The outer contour of the mask's largest connected part, pixel corners in the mask's size, `[x, y]` each.
    pub polygon: Vec<[f32; 2]>,
}

/// A mask as COCO's uncompressed run lengths: column by column, the first count is zeros.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskRle {
    /// Height, then width.
    pub size: [u32; 2],
    /// Lengths of the runs, zeros and ones in turn; they sum to height times width.
    pub counts: Vec<u32>,
}

/// One object found by a model for turned boxes; nothing of it is cut to the picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrientedDetection {
    /// The class's channel, from 0.
    pub class_id: u32,
    /// The class's name, or its number when the model names none.
    pub label: String,
    /// The score, above the threshold that was asked for.
    pub confidence: f32,
    /// The box's centre.
    pub center: Point,
    /// Length of the side along the angle.
    pub width: f32,
    /// Length of the other side.
    pub height: f32,
    /// Turn from the x axis towards the y axis, in radians, as the model gave it.
    pub angle_rad: f32,
    /// The four corners `[x, y]` in order around the box.
    pub corners: [[f32; 2]; 4],
    /// The upright box around the corners.
    pub bounding_box: BoundingBox,
}

/// A key point `[x, y, visibility]`; visibility is null for models that give none.
pub type Keypoint = (f32, f32, Option<f32>);

/// One object found by a model for poses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoseDetection {
    /// The class's channel, from 0.
    pub class_id: u32,
    /// The class's name, or its number when the model names none.
    pub label: String,
    /// The score, above the threshold that was asked for.
    pub confidence: f32,
    /// Where it is, cut to the picture.
    pub bounding_box: BoundingBox,
    /// The key points in the model's order, cut to the picture.
    pub keypoints: Vec<Keypoint>,
}

/// What a classifier says of the whole picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classification {
    /// Classes by falling confidence.
    pub predictions: Vec<Prediction>,
}

/// One class of a classification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prediction {
    /// The class's name, or its number when the model names none.
    pub label: String,
    /// The class's channel, from 0.
    pub class_id: u32,
    /// The model's value for the class, a probability.
    pub confidence: f32,
}

impl VisionOutput {
    /// How many items there are; classes count one by one.
    pub fn len(&self) -> usize {
        match self {
            Self::Detections(all) => all.len(),
            Self::Segments(all) => all.len(),
            Self::Oriented(all) => all.len(),
            Self::Poses(all) => all.len(),
            Self::Classification(all) => all.predictions.len(),
        }
    }

    /// True when there are no items.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The items of both, when they are of one kind; an empty one counts as of any kind.
    pub fn joined(self, other: Self) -> Self {
        let mut joined = self;
        match (&mut joined, other) {
            (Self::Detections(all), Self::Detections(more)) => all.extend(more),
            (Self::Segments(all), Self::Segments(more)) => all.extend(more),
            (Self::Oriented(all), Self::Oriented(more)) => all.extend(more),
            (Self::Poses(all), Self::Poses(more)) => all.extend(more),
            (all, more) if all.is_empty() => joined = more,
            _ => {}
        }
        joined
    }

    /// What was found in a part of a picture, in pixels of the whole one; `left` and `top` are where the part begins.
    ///
    /// `None` for masks, which are as large as the part, and for classes, which have no place.
    pub fn moved(self, left: u32, top: u32) -> Option<Self> {
        Some(match self {
            Self::Detections(all) => Self::Detections(all.into_iter().map(|one| one.moved(left, top)).collect()),
            Self::Oriented(all) => Self::Oriented(all.into_iter().map(|one| one.moved(left, top)).collect()),
            Self::Poses(all) => Self::Poses(all.into_iter().map(|one| one.moved(left, top)).collect()),
            Self::Segments(_) | Self::Classification(_) => return None,
        })
    }
}

impl BoundingBox {
    fn moved(self, left: u32, top: u32) -> Self {
        Self { x: self.x + left as f32, y: self.y + top as f32, ..self }
    }
}

impl Detection {
    fn moved(self, left: u32, top: u32) -> Self {
        Self { bounding_box: self.bounding_box.moved(left, top), ..self }
    }
}

impl OrientedDetection {
    pub(crate) fn moved(self, left: u32, top: u32) -> Self {
        let (x, y) = (left as f32, top as f32);
        Self {
            center: Point { x: self.center.x + x, y: self.center.y + y },
            corners: self.corners.map(|corner| [corner[0] + x, corner[1] + y]),
            bounding_box: self.bounding_box.moved(left, top),
            ..self
        }
    }
}

impl PoseDetection {
    pub(crate) fn moved(self, left: u32, top: u32) -> Self {
        let (x, y) = (left as f32, top as f32);
        let keypoints = self.keypoints.into_iter().map(|(px, py, visibility)| (px + x, py + y, visibility)).collect();
        Self { bounding_box: self.bounding_box.moved(left, top), keypoints, ..self }
    }
}
