//! Payloads of what is found in video and sound.

use serde::{Deserialize, Serialize};

use super::image::{BoundingBox, ClassScore, Point, validate_scores};
use super::{Payload, require, share};
use crate::error::FieldError;

/// A box around a face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaceDetectionV1 {
    /// 0 to 1.
    pub confidence: f64,
    /// Where, in pixels.
    pub bounding_box: BoundingBox,
    /// The frame, from 0.
    pub frame_number: u64,
    /// Faces of one person share it.
    #[serde(default)]
    pub cluster_id: Option<String>,
}

impl Payload for FaceDetectionV1 {
    fn validate(&self) -> Result<(), FieldError> {
        share("confidence", self.confidence)?;
        self.bounding_box.validate(true)
    }
}

/// A spoken word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Word {
    /// The word.
    pub word: String,
    /// Its start in seconds.
    pub start: f64,
    /// Its end in seconds.
    pub end: f64,
    /// 0 to 1.
    #[serde(default)]
    pub confidence: Option<f64>,
}

/// A piece of speech.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TranscriptSegmentV1 {
    /// What was said.
    pub text: String,
    /// Its start in milliseconds.
    pub start_ms: u64,
    /// Its end in milliseconds.
    pub end_ms: u64,
    /// 0 to 1.
    #[serde(default)]
    pub confidence: Option<f64>,
    /// The language's code.
    #[serde(default)]
    pub language: Option<String>,
    /// The single words.
    #[serde(default)]
    pub words: Option<Vec<Word>>,
}

impl Payload for TranscriptSegmentV1 {
    fn validate(&self) -> Result<(), FieldError> {
        share("confidence", self.confidence.unwrap_or_default())?;
        in_order("end_ms", self.start_ms, self.end_ms)?;
        for (i, word) in self.words.iter().flatten().enumerate() {
            let good = word.start >= 0.0 && word.end >= word.start && word.end.is_finite();
            require(good, &format!("words[{i}]"), || {
                format!("must not end before it starts: {} to {}", word.start, word.end)
            })?;
            share(&format!("words[{i}].confidence"), word.confidence.unwrap_or_default())?;
        }
        Ok(())
    }
}

/// Writing in a frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OcrDetectionV1 {
    /// What is written.
    pub text: String,
    /// 0 to 1.
    pub confidence: f64,
    /// Around the writing, at least three points, in pixels.
    pub polygon: Vec<Point>,
    /// The frame, from 0.
    pub frame_number: u64,
    /// The language's code.
    #[serde(default)]
    pub language: Option<String>,
}

impl Payload for OcrDetectionV1 {
    fn validate(&self) -> Result<(), FieldError> {
        share("confidence", self.confidence)?;
        let points = self.polygon.len();
        require(points >= 3, "polygon", || format!("must have at least 3 points, has {points}"))?;
        require(self.polygon.iter().all(|p| p.x.is_finite() && p.y.is_finite()), "polygon", || {
            "must be finite".to_owned()
        })
    }
}

/// What kind of place a frame shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceClassificationV1 {
    /// The best classes, at least one.
    pub predictions: Vec<ClassScore>,
    /// The frame, from 0.
    pub frame_number: u64,
    /// How many were asked for, at least 1.
    #[serde(default = "default_top_k")]
    pub top_k: u32,
}

const fn default_top_k() -> u32 {
    5
}

impl Payload for PlaceClassificationV1 {
    fn validate(&self) -> Result<(), FieldError> {
        require(self.top_k >= 1, "top_k", || "must be at least 1".to_owned())?;
        validate_scores(&self.predictions)
    }
}

/// A scene between two cuts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneV1 {
    /// Its place in the video, from 0.
    pub scene_index: u64,
    /// Its start in milliseconds.
    pub start_ms: u64,
    /// Its end in milliseconds.
    pub end_ms: u64,
    /// Its length in milliseconds, more than 0.
    pub duration_ms: u64,
}

impl Payload for SceneV1 {
    fn validate(&self) -> Result<(), FieldError> {
        in_order("end_ms", self.start_ms, self.end_ms)?;
        require(self.duration_ms > 0, "duration_ms", || "must be more than 0".to_owned())
    }
}

fn in_order(field: &str, start_ms: u64, end_ms: u64) -> Result<(), FieldError> {
    require(start_ms <= end_ms, field, || format!("must not be before its start {start_ms}, was {end_ms}"))
}
