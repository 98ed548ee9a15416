//! Typed, versioned results. A payload is checked against its schema before it is stored, whoever made it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::FieldError;
use crate::id::{ArtifactId, TaskId, TenantId};
use crate::job::Provenance;
use crate::time::Timestamp;

pub mod image;
pub mod media;
pub mod tensors;

/// What an artifact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ArtifactType {
    /// [`image::ObjectDetectionV1`].
    #[serde(rename = "object.detection")]
    ObjectDetection,
    /// [`image::SegmentationV1`].
    #[serde(rename = "object.segmentation")]
    Segmentation,
    /// [`image::OrientedDetectionV1`].
    #[serde(rename = "object.oriented")]
    OrientedDetection,
    /// [`image::PoseDetectionV1`].
    #[serde(rename = "object.pose")]
    PoseDetection,
    /// [`image::ClassificationV1`].
    #[serde(rename = "image.classification")]
    Classification,
    /// [`media::FaceDetectionV1`].
    #[serde(rename = "face.detection")]
    FaceDetection,
    /// [`media::TranscriptSegmentV1`].
    #[serde(rename = "transcript.segment")]
    TranscriptSegment,
    /// [`media::OcrDetectionV1`].
    #[serde(rename = "ocr.text")]
    OcrText,
    /// [`media::PlaceClassificationV1`].
    #[serde(rename = "place.classification")]
    PlaceClassification,
    /// [`media::SceneV1`].
    #[serde(rename = "scene")]
    Scene,
    /// [`PipelineResultV1`](crate::pipeline::PipelineResultV1).
    #[serde(rename = "pipeline.result")]
    PipelineResult,
    /// [`tensors::PredictionV1`].
    #[serde(rename = "model.prediction")]
    Prediction,
}

impl ArtifactType {
    /// All types.
    pub const ALL: [Self; 12] = [
        Self::ObjectDetection,
        Self::Segmentation,
        Self::OrientedDetection,
        Self::PoseDetection,
        Self::Classification,
        Self::FaceDetection,
        Self::TranscriptSegment,
        Self::OcrText,
        Self::PlaceClassification,
        Self::Scene,
        Self::PipelineResult,
        Self::Prediction,
    ];

    /// The word used in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ObjectDetection => "object.detection",
            Self::Segmentation => "object.segmentation",
            Self::OrientedDetection => "object.oriented",
            Self::PoseDetection => "object.pose",
            Self::Classification => "image.classification",
            Self::FaceDetection => "face.detection",
            Self::TranscriptSegment => "transcript.segment",
            Self::OcrText => "ocr.text",
            Self::PlaceClassification => "place.classification",
            Self::Scene => "scene",
            Self::PipelineResult => "pipeline.result",
            Self::Prediction => "model.prediction",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The version of the schema that new artifacts of this type follow.
    pub const fn schema_version(self) -> i32 {
        1
    }

    /// Checks a payload against version `version` of this type's schema.
    pub fn check(self, version: i32, payload: &Value) -> Result<(), FieldError> {
        if version != 1 {
            return Err(FieldError::new("schema_version", format!("{self:?} has version 1, not {version}")));
        }
        match self {
            Self::ObjectDetection => check::<image::ObjectDetectionV1>(payload),
            Self::Segmentation => check::<image::SegmentationV1>(payload),
            Self::OrientedDetection => check::<image::OrientedDetectionV1>(payload),
            Self::PoseDetection => check::<image::PoseDetectionV1>(payload),
            Self::Classification => check::<image::ClassificationV1>(payload),
            Self::FaceDetection => check::<media::FaceDetectionV1>(payload),
            Self::TranscriptSegment => check::<media::TranscriptSegmentV1>(payload),
            Self::OcrText => check::<media::OcrDetectionV1>(payload),
            Self::PlaceClassification => check::<media::PlaceClassificationV1>(payload),
            Self::Scene => check::<media::SceneV1>(payload),
            Self::PipelineResult => check::<crate::pipeline::PipelineResultV1>(payload),
            Self::Prediction => check::<tensors::PredictionV1>(payload),
        }
    }
}

/// A payload that knows its own rules.
pub trait Payload: for<'de> Deserialize<'de> + Serialize {
    /// Checks what the types alone do not say.
    fn validate(&self) -> Result<(), FieldError>;
}

fn check<T: Payload>(payload: &Value) -> Result<(), FieldError> {
    let read: Result<T, _> = serde_path_to_error::deserialize(payload);
    read.map_err(|error| FieldError::new(error.path().to_string(), error.inner().to_string()))?.validate()
}

/// Checks that a number lies in 0..=1.
pub(crate) fn share(field: &str, value: f64) -> Result<(), FieldError> {
    require((0.0..=1.0).contains(&value), field, || format!("must be from 0 to 1, was {value}"))
}

/// Checks a condition on a field.
pub(crate) fn require(holds: bool, field: &str, reason: impl FnOnce() -> String) -> Result<(), FieldError> {
    if holds { Ok(()) } else { Err(FieldError::new(field, reason())) }
}

/// A stored artifact.
#[derive(Debug, Clone, PartialEq)]
pub struct Artifact {
    /// Its id.
    pub id: ArtifactId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// The task it belongs to.
    pub task_id: TaskId,
    /// Its place among the task's artifacts, from 0.
    pub ordinal: i32,
    /// What it is.
    pub artifact_type: ArtifactType,
    /// The version of its schema.
    pub schema_version: i32,
    /// Start of what it speaks of, in milliseconds of media time; 0 for a picture.
    pub span_start_ms: i64,
    /// End of it; not before the start.
    pub span_end_ms: i64,
    /// The payload, checked.
    pub payload: Value,
    /// What made it, from what.
    pub provenance: Provenance,
    /// When it was stored.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn detection() -> Value {
        json!({"label": "circle", "class_id": 0, "confidence": 0.9, "frame_number": 0,
               "bounding_box": {"x": 1.0, "y": 2.0, "width": 3.0, "height": 0.0}})
    }

    #[test]
    fn words_survive_the_round_trip() {
        for kind in ArtifactType::ALL {
            assert_eq!(ArtifactType::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn a_good_detection_passes_and_each_bad_field_is_named() {
        ArtifactType::ObjectDetection.check(1, &detection()).unwrap();
        for (pointer, bad, field) in [
            ("/confidence", json!(1.5), "confidence"),
            ("/confidence", json!("high"), "confidence"),
            ("/bounding_box/x", json!(-1.0), "bounding_box.x"),
            ("/bounding_box/width", json!(-0.5), "bounding_box.width"),
            ("/frame_number", json!(-1), "frame_number"),
            ("/label", json!(null), "label"),
        ] {
            let mut payload = detection();
            *payload.pointer_mut(pointer).unwrap() = bad;
            assert_eq!(ArtifactType::ObjectDetection.check(1, &payload).unwrap_err().field, field);
        }
        let mut extra = detection();
        extra["zzz"] = json!(1);
        assert!(ArtifactType::ObjectDetection.check(1, &extra).is_err());
        assert!(ArtifactType::ObjectDetection.check(2, &detection()).is_err());
    }
}
