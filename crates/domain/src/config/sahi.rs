//! The configuration of tiled detection.

use serde::{Deserialize, Serialize};

use super::{ClassRef, ImageConfig, ImageSize, MAX_DETECTIONS, ModelProfileName, default_iou, default_top_k};
use crate::error::FieldError;

/// The range of an edge of a tile, in pixels.
pub const SLICE_PX: std::ops::RangeInclusive<u32> = 32..=8192;
/// Most of a tile that its neighbour may cover too.
pub const MAX_OVERLAP_RATIO: f64 = 0.95;
/// The most boxes that one tile may give.
const PER_TILE: u32 = 300;

/// The configuration of a task that looks at one picture tile by tile (SAHI).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SahiConfig {
    /// Only what scores more than this, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence_threshold: Option<f32>,
    /// Within a tile a box goes when it overlaps a better one by more than this, 0 to 1.
    #[serde(default = "default_iou")]
    pub iou_threshold: f32,
    /// Only these classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<ClassRef>>,
    /// At most this many detections after merging.
    #[serde(default = "default_max_detections")]
    pub max_detections: u32,
    /// Boxes of different classes are merged too.
    #[serde(default)]
    pub class_agnostic: bool,
    /// Input size of a dynamic model; the file's own `imgsz` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_size: Option<ImageSize>,
    /// Height of a tile in pixels.
    #[serde(default = "default_slice", alias = "sahi_slice_height")]
    pub slice_height: u32,
    /// Width of a tile in pixels.
    #[serde(default = "default_slice", alias = "sahi_slice_width")]
    pub slice_width: u32,
    /// Share of a tile that its neighbour covers too.
    #[serde(default = "default_overlap", alias = "sahi_overlap_ratio")]
    pub overlap_ratio: f64,
    /// How boxes that match become one.
    #[serde(default)]
    pub postprocess: Merge,
    /// How the overlap of two boxes is measured.
    #[serde(default)]
    pub match_metric: MatchMetric,
    /// Boxes match from this overlap on, 0 to 1.
    #[serde(default = "default_match")]
    pub match_threshold: f64,
    /// Looks at the whole picture once more.
    #[serde(default)]
    pub full_image: bool,
    /// A word that is stored with each result.
    #[serde(default)]
    pub model_profile: ModelProfileName,
    /// Sends the task to `gpu_jobs` or `cpu_jobs`, whatever the route table says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_gpu: Option<bool>,
}

/// How boxes of different tiles that match become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Merge {
    /// The best box grows around those that match it.
    #[default]
    #[serde(rename = "GREEDYNMM")]
    GreedyNmm,
    /// As before, and what matches a member of the group belongs to it too.
    #[serde(rename = "NMM")]
    Nmm,
    /// The best box stays as it is, those that match it go.
    #[serde(rename = "NMS")]
    Nms,
}

/// How the overlap of two boxes is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum MatchMetric {
    /// Intersection over the smaller area.
    #[default]
    #[serde(rename = "IOS")]
    Ios,
    /// Intersection over union.
    #[serde(rename = "IOU")]
    Iou,
}

const fn default_max_detections() -> u32 {
    MAX_DETECTIONS
}
const fn default_slice() -> u32 {
    512
}
const fn default_overlap() -> f64 {
    0.25
}
const fn default_match() -> f64 {
    0.5
}

impl SahiConfig {
    /// How each tile is looked at: like a picture of its own.
    pub fn of_tile(&self) -> ImageConfig {
        ImageConfig {
            confidence_threshold: self.confidence_threshold,
            iou_threshold: self.iou_threshold,
            classes: self.classes.clone(),
            max_detections: PER_TILE,
            class_agnostic: false,
            image_size: self.image_size,
            top_k: default_top_k(),
            model_profile: self.model_profile,
            use_gpu: self.use_gpu,
        }
    }

    pub(super) fn check_ranges(&self) -> Result<(), FieldError> {
        ImageConfig { max_detections: self.max_detections, ..self.of_tile() }.check_ranges()?;
        for (field, edge) in [("config.slice_height", self.slice_height), ("config.slice_width", self.slice_width)] {
            if !SLICE_PX.contains(&edge) {
                let (least, most) = (SLICE_PX.start(), SLICE_PX.end());
                return Err(FieldError::new(field, format!("must be from {least} to {most} pixels, was {edge}")));
            }
        }
        let shares = [
            ("config.overlap_ratio", self.overlap_ratio, MAX_OVERLAP_RATIO),
            ("config.match_threshold", self.match_threshold, 1.0),
        ];
        match shares.into_iter().find(|(_, value, most)| !(0.0..=*most).contains(value)) {
            None => Ok(()),
            Some((field, value, most)) => {
                Err(FieldError::new(field, format!("must be a number from 0 to {most}, was {value}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::value::RawValue;

    use crate::TaskType;
    use crate::config::{CheckedConfig, ConfidenceDefaults, TaskConfig};
    use crate::error::FieldError;

    fn check(json: &str) -> Result<CheckedConfig, FieldError> {
        let json = RawValue::from_string(json.to_owned()).unwrap();
        TaskConfig::check(TaskType::SahiDetection, &json, ConfidenceDefaults::default())
    }

    #[test]
    fn defaults_are_those_of_the_detector_and_of_sahi() {
        let written: serde_json::Value = serde_json::from_str(check("{}").unwrap().json.get()).unwrap();
        let mut wanted = serde_json::json!({
            "iou_threshold": 0.7, "max_detections": 3000, "class_agnostic": false, "slice_height": 512, "slice_width": 512,
            "overlap_ratio": 0.25, "postprocess": "GREEDYNMM", "match_metric": "IOS", "match_threshold": 0.5,
            "full_image": false, "model_profile": "balanced", "confidence_threshold": 0.8,
        });
        for float in ["iou_threshold", "confidence_threshold"] {
            assert!((written[float].as_f64().unwrap() - wanted[float].as_f64().unwrap()).abs() < 1e-6);
            wanted[float] = written[float].clone();
        }
        assert_eq!(written, wanted);
    }

    #[test]
    fn the_long_names_of_the_tile_settings_mean_the_same() {
        let long = check(r#"{"sahi_slice_height": 256, "sahi_slice_width": 320, "sahi_overlap_ratio": 0.1}"#).unwrap();
        let short = check(r#"{"slice_height": 256, "slice_width": 320, "overlap_ratio": 0.1}"#).unwrap();
        assert_eq!((long.config, long.hash), (short.config, short.hash));
    }

    #[test]
    fn a_bad_field_is_named() {
        for (json, field) in [
            (r#"{"slice_height": 31}"#, "config.slice_height"),
            (r#"{"slice_width": 8193}"#, "config.slice_width"),
            (r#"{"overlap_ratio": 0.96}"#, "config.overlap_ratio"),
            (r#"{"overlap_ratio": -0.1}"#, "config.overlap_ratio"),
            (r#"{"match_threshold": 1.01}"#, "config.match_threshold"),
            (r#"{"postprocess": "WBF"}"#, "config.postprocess"),
            (r#"{"match_metric": "iou"}"#, "config.match_metric"),
            (r#"{"confidence_threshold": 2}"#, "config.confidence_threshold"),
            (r#"{"max_detections": 3001}"#, "config.max_detections"),
            (r#"{"classes": []}"#, "config.classes"),
            (r#"{"top_k": 1}"#, "config.top_k"),
        ] {
            assert_eq!(check(json).unwrap_err().field, field, "{json}");
        }
    }
}
