//! What a pipeline has found so far: handed from step to step.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::result::Uploaded;
use crate::artifact::ArtifactType;
use crate::artifact::image::{
    BoundingBox, ClassificationV1, ObjectDetectionV1, OrientedDetectionV1, PoseDetectionV1, SegmentationV1,
};

/// What has been found so far. Cheap to clone: branches of a group each get one.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// Segments, those of one step the largest first.
    pub segments: Vec<Arc<FoundSegment>>,
    /// Objects, those of one step best first.
    pub objects: Vec<Arc<FoundObject>>,
    /// Classes of the whole picture, once per classification.
    pub classes: Vec<Arc<FoundClasses>>,
    /// What steps have counted, by name.
    pub results: BTreeMap<String, Value>,
    /// The number of the picture that things were drawn into, if there is one.
    pub processed: Option<u64>,
    /// Pictures that are to be stored.
    pub uploads: Vec<Arc<Uploaded>>,
}

/// A segment.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundSegment {
    /// Its number in this pipeline, which it keeps.
    pub segment_idx: u32,
    /// What was found.
    pub segment: SegmentationV1,
}

/// An object.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundObject {
    /// Tells it from all others of the same run.
    pub key: u64,
    /// What was found.
    pub finding: Finding,
    /// The segment in whose crop it was found.
    pub source_segment_idx: Option<u32>,
    /// How large it is among the others.
    pub size: Option<ObjectSize>,
    /// Its species.
    pub species: Option<String>,
}

/// What a detector found.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// An upright box.
    Upright(ObjectDetectionV1),
    /// A turned box.
    Oriented(OrientedDetectionV1),
    /// A box with key points.
    Pose(PoseDetectionV1),
}

/// Classes of the whole picture.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundClasses {
    /// Tells it from all others of the same run.
    pub key: u64,
    /// What was found.
    pub classes: ClassificationV1,
}

/// How large an object is among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ObjectSize {
    /// Much smaller than most.
    S,
    /// As most.
    M,
    /// Larger than most.
    L,
    /// Much larger than most.
    XL,
}

impl ObjectSize {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::S => "S",
            Self::M => "M",
            Self::L => "L",
            Self::XL => "XL",
        }
    }
}

impl Finding {
    /// The class's name.
    pub fn label(&self) -> &str {
        match self {
            Self::Upright(found) => &found.label,
            Self::Oriented(found) => &found.label,
            Self::Pose(found) => &found.label,
        }
    }

    /// The class's number in the model.
    pub fn class_id(&self) -> Option<u32> {
        match self {
            Self::Upright(found) => found.class_id,
            Self::Oriented(found) => Some(found.class_id),
            Self::Pose(found) => Some(found.class_id),
        }
    }

    /// 0 to 1.
    pub fn confidence(&self) -> f64 {
        match self {
            Self::Upright(found) => found.confidence,
            Self::Oriented(found) => found.confidence,
            Self::Pose(found) => found.confidence,
        }
    }

    /// The upright box around it.
    pub fn bounds(&self) -> BoundingBox {
        match self {
            Self::Upright(found) => found.bounding_box,
            Self::Oriented(found) => found.bounding_box,
            Self::Pose(found) => found.bounding_box,
        }
    }

    /// Area in square pixels; of a turned box its own, not that of the upright box around it.
    pub fn area(&self) -> f64 {
        match self {
            Self::Oriented(found) => found.width * found.height,
            other => other.bounds().width * other.bounds().height,
        }
    }

    /// What it is as an artifact.
    pub const fn artifact_type(&self) -> ArtifactType {
        match self {
            Self::Upright(_) => ArtifactType::ObjectDetection,
            Self::Oriented(_) => ArtifactType::OrientedDetection,
            Self::Pose(_) => ArtifactType::PoseDetection,
        }
    }
}

impl Findings {
    /// The number that the next segment gets.
    pub fn next_segment_idx(&self) -> u32 {
        self.segments.iter().map(|found| found.segment_idx + 1).max().unwrap_or(0)
    }

    /// Adds segments, the largest first; each gets the next number.
    pub fn add_segments(&mut self, mut segments: Vec<SegmentationV1>) {
        segments.sort_by_key(|segment| std::cmp::Reverse(segment.area_px));
        let first = self.next_segment_idx();
        let numbered = (first..).zip(segments).map(|(segment_idx, segment)| FoundSegment { segment_idx, segment });
        self.segments.extend(numbered.map(Arc::new));
    }

    /// Adds objects, best first.
    pub fn add_objects(&mut self, mut objects: Vec<FoundObject>) {
        objects.sort_by(|a, b| b.finding.confidence().total_cmp(&a.finding.confidence()));
        self.objects.extend(objects.into_iter().map(Arc::new));
    }
}
