//! What a pipeline answers, once it has ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::findings::{FoundClasses, FoundObject, FoundSegment, ObjectSize};
use crate::artifact::image::{ClassScore, MaskRle};
use crate::artifact::{Payload, require, share};
use crate::error::FieldError;
use crate::slot::Slot;
use crate::time::Timestamp;

/// What stands for "in the whole picture" where a segment's number is expected.
const NO_SEGMENT: i64 = -1;

/// The result of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineResultV1 {
    /// Always true: a pipeline that failed has no result.
    pub success: bool,
    /// The tenant's name.
    pub tenant_id: String,
    /// The session that the request named.
    pub session_id: Option<Uuid>,
    /// What the picture is called.
    pub image_id: Uuid,
    /// The kind of the definition's root: `chain`.
    pub pipeline_type: String,
    /// What was found.
    pub results: Results,
    /// How long the steps took, from the first to the last.
    pub duration_ms: f64,
    /// How many steps were run.
    pub steps_completed: u32,
    /// Each step in the order in which they ended.
    pub steps: Vec<StepReport>,
    /// The models that were run.
    pub models: Vec<ModelUsed>,
    /// Always null.
    pub error: Option<String>,
    /// When the last step ended.
    pub processed_at: Timestamp,
}

/// What was found; beside the lists stands what steps have counted, by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Segments.
    pub segments: Vec<ResultSegment>,
    /// Objects.
    pub detections: Vec<ResultDetection>,
    /// Classes of the whole picture, once per classification.
    pub classifications_raw: Vec<ResultClasses>,
    /// Pictures that are stored once the task has ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uploads: Vec<Uploaded>,
    /// What steps have counted.
    #[serde(flatten)]
    pub counted: BTreeMap<String, Value>,
}

/// An object; lengths are pixels of the upright original.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultDetection {
    /// Middle of the box, from the left.
    pub center_x_px: f64,
    /// Middle of the box, from the top.
    pub center_y_px: f64,
    /// Width of the box.
    pub width_px: f64,
    /// Height of the box.
    pub height_px: f64,
    /// 0 to 1.
    pub confidence: f64,
    /// The class's name.
    pub class_name: String,
    /// The class's number in the model.
    pub class_id: Option<u32>,
    /// The segment in whose crop it was found; -1 for the whole picture.
    pub segment_idx: i64,
    /// The same, absent for the whole picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_segment_idx: Option<u32>,
    /// What the picture is called.
    pub image_id: Uuid,
    /// How large it is among the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<ObjectSize>,
    /// Its species.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub species: Option<String>,
}

/// A segment; lengths are pixels of the upright original.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultSegment {
    /// Its number in this pipeline.
    pub segment_idx: u32,
    /// The class's name.
    pub class_name: String,
    /// The class's number in the model.
    pub class_id: u32,
    /// 0 to 1.
    pub confidence: f64,
    /// Left, top, right and bottom edge.
    pub bbox: [f64; 4],
    /// How many pixels the mask has.
    pub area_px: u64,
    /// The mask.
    pub mask_rle: MaskRle,
    /// The outline of the mask's largest part.
    pub polygon: Vec<[f64; 2]>,
}

/// Classes of the whole picture, best first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultClasses {
    /// -1: the whole picture.
    pub segment_idx: i64,
    /// The classes.
    pub predictions: Vec<ClassScore>,
}

/// A picture that is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uploaded {
    /// Where it is stored.
    pub path: String,
    /// `image/jpeg`.
    pub content_type: String,
    /// How many bytes it has.
    pub size_bytes: u64,
    /// SHA-256 of its bytes in hexadecimal.
    pub sha256: String,
    /// The longest edge that was asked for, of a thumbnail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail_size: Option<u32>,
}

/// A step that was run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepReport {
    /// The step.
    pub name: String,
    /// How long it took, waiting for a device included.
    pub duration_ms: f64,
}

/// A model that was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelUsed {
    /// Its slot.
    pub slot: Slot,
    /// SHA-256 of its file in hexadecimal.
    pub sha256: String,
}

impl ResultDetection {
    /// An object as it is answered.
    pub fn new(object: &FoundObject, image_id: Uuid) -> Self {
        let bounds = object.finding.bounds();
        Self {
            center_x_px: bounds.x + bounds.width / 2.0,
            center_y_px: bounds.y + bounds.height / 2.0,
            width_px: bounds.width,
            height_px: bounds.height,
            confidence: object.finding.confidence(),
            class_name: object.finding.label().to_owned(),
            class_id: object.finding.class_id(),
            segment_idx: object.source_segment_idx.map_or(NO_SEGMENT, i64::from),
            source_segment_idx: object.source_segment_idx,
            image_id,
            size: object.size,
            species: object.species.clone(),
        }
    }
}

impl From<&FoundSegment> for ResultSegment {
    fn from(found: &FoundSegment) -> Self {
        let segment = &found.segment;
        let bounds = segment.bounding_box;
        Self {
            segment_idx: found.segment_idx,
            class_name: segment.label.clone(),
            class_id: segment.class_id,
            confidence: segment.confidence,
            bbox: [bounds.x, bounds.y, bounds.x + bounds.width, bounds.y + bounds.height],
            area_px: segment.area_px,
            mask_rle: segment.mask_rle.clone(),
            polygon: segment.polygon.clone(),
        }
    }
}

impl From<&FoundClasses> for ResultClasses {
    fn from(found: &FoundClasses) -> Self {
        Self { segment_idx: NO_SEGMENT, predictions: found.classes.predictions.clone() }
    }
}

impl Payload for PipelineResultV1 {
    fn validate(&self) -> Result<(), FieldError> {
        require(self.success && self.error.is_none(), "success", || "must be true, and error null".to_owned())?;
        require(self.duration_ms >= 0.0, "duration_ms", || format!("must not be negative, was {}", self.duration_ms))?;
        self.results.validate()
    }
}

impl Results {
    fn validate(&self) -> Result<(), FieldError> {
        for (index, found) in self.detections.iter().enumerate() {
            let field = |name: &str| format!("results.detections[{index}].{name}");
            share(&field("confidence"), found.confidence)?;
            for (name, value) in [
                ("center_x_px", found.center_x_px),
                ("center_y_px", found.center_y_px),
                ("width_px", found.width_px),
                ("height_px", found.height_px),
            ] {
                require(value.is_finite(), &field(name), || "must be finite".to_owned())?;
            }
        }
        for (index, found) in self.segments.iter().enumerate() {
            share(&format!("results.segments[{index}].confidence"), found.confidence)?;
            let finite = found.bbox.iter().chain(found.polygon.iter().flatten()).all(|value| value.is_finite());
            require(finite, &format!("results.segments[{index}]"), || "must be finite".to_owned())?;
        }
        Ok(())
    }
}
