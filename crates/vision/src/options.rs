//! What a caller may ask of a model, with the reference programs' defaults.

use ortolan_domain::config::{ClassRef, ImageSize};
use serde::{Deserialize, Serialize};

use crate::error::OptionsError;

/// Most detections that one picture may give.
pub const MAX_DETECTIONS: usize = 3000;

/// Settings of one prediction; every field may be left out.
///
/// A setting that the model has no use for (a classifier and `iou_threshold`) is ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VisionOptions {
    /// Detections must score above this, 0..=1.
    pub confidence_threshold: f32,
    /// Of two boxes that overlap by more than this, 0..=1, the worse one goes.
    pub iou_threshold: f32,
    /// Only these classes are kept; empty means all.
    pub classes: Vec<ClassRef>,
    /// Most detections to return, best first, 1..=[`MAX_DETECTIONS`].
    pub max_detections: usize,
    /// Whether overlapping boxes of different classes suppress each other too.
    pub class_agnostic: bool,
    /// The input size for models that leave theirs open; the file's own `imgsz` when absent. Models with a fixed
    /// input size keep it whatever is asked.
    pub image_size: Option<ImageSize>,
    /// Most classes that a classification lists; all when absent.
    pub top_k: Option<usize>,
    /// The size of segmentation masks.
    pub mask_size: MaskSize,
    /// Whether models that leave their input size open get the smallest fitting rectangle instead of the full square.
    pub rectangular: bool,
}

impl Default for VisionOptions {
    fn default() -> Self {
        Self {
            confidence_threshold: 0.25,
            iou_threshold: 0.7,
            classes: Vec::new(),
            max_detections: 300,
            class_agnostic: false,
            image_size: None,
            top_k: None,
            mask_size: MaskSize::Original,
            rectangular: true,
        }
    }
}

/// The size that segmentation masks are drawn at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskSize {
    /// The upright original.
    #[default]
    Original,
    /// The model's input, padding included.
    Input,
}

impl VisionOptions {
    /// Checks what can be checked without knowing the model.
    pub(crate) fn check_ranges(&self) -> Result<(), OptionsError> {
        for (field, value) in
            [("confidence_threshold", self.confidence_threshold), ("iou_threshold", self.iou_threshold)]
        {
            if !(0.0..=1.0).contains(&value) {
                return Err(OptionsError::Threshold { field, value });
            }
        }
        if !(1..=MAX_DETECTIONS).contains(&self.max_detections) {
            return Err(OptionsError::MaxDetections { value: self.max_detections });
        }
        if self.top_k == Some(0) {
            return Err(OptionsError::TopK);
        }
        Ok(())
    }
}
