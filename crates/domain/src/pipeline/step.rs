//! The steps with their typed settings. What each may be stands in [`super::catalog`]; here are the types that carry it.

use serde::{Deserialize, Serialize};

use crate::config::{ClassRef, ImageSize, MatchMetric, Merge, ModelProfileName, SahiConfig};
use crate::slot::Slot;

/// A step of a pipeline, every setting written out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", content = "kwargs", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// Boxes around objects, in the whole picture or in the crops of segments.
    Detection(DetectionSettings),
    /// Masks of objects.
    Segmentation(FindSettings),
    /// Boxes around objects, looked for tile by tile.
    SahiDetection(SahiSettings),
    /// Classes of the whole picture.
    Classification(ClassificationSettings),
    /// Keeps some segments.
    SegmentFilter(SegmentFilterSettings),
    /// Counts the objects.
    AggregateDetections(NoSettings),
    /// Sorts the objects into sizes.
    SizeCalculator(NoSettings),
    /// Gives the objects species in turn.
    SpeciesDistributor(SpeciesSettings),
    /// Draws what was found into a copy of the picture.
    VisualizeDetections(VisualizeSettings),
    /// Stores the picture and thumbnails of it.
    UploadImage(UploadSettings),
    /// Posts the results to the backend.
    SendResults(NoSettings),
}

/// For steps that cannot be told anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

/// What every step that finds objects may be told, and all that `segmentation` may be. Unknown names are refused before a
/// type is made of the settings, as flattened types cannot refuse them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FindSettings {
    /// Only what scores more than this, 0 to 1.
    pub confidence_threshold: f32,
    /// A box goes when it overlaps a better one by more than this, 0 to 1; of tiles, within each of them.
    pub iou_threshold: f32,
    /// Only these classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<ClassRef>>,
    /// At most this many: in each picture or crop, or after the merging of tiles.
    pub max_detections: u32,
    /// Boxes of different classes compete, or become one, too.
    pub class_agnostic: bool,
    /// Input size of a dynamic model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_size: Option<ImageSize>,
}

/// Settings of `detection`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectionSettings {
    /// How objects are found.
    #[serde(flatten)]
    pub find: FindSettings,
    /// Looks only at the crops of segments of this class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment_type: Option<String>,
}

/// Settings of `sahi_detection`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SahiSettings {
    /// How objects are found.
    #[serde(flatten)]
    pub find: FindSettings,
    /// Height of a tile in pixels.
    pub sahi_slice_height: u32,
    /// Width of a tile in pixels.
    pub sahi_slice_width: u32,
    /// The share of a tile that it has in common with the next one.
    pub sahi_overlap_ratio: f64,
    /// How boxes of neighbouring tiles become one.
    pub postprocess: Merge,
    /// What counts as overlap.
    pub match_metric: MatchMetric,
    /// How much overlap makes two boxes one, 0 to 1.
    pub match_threshold: f64,
    /// Looks at the picture as a whole as well.
    pub full_image: bool,
}

/// Settings of `classification`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassificationSettings {
    /// The best so many classes.
    pub top_k: u32,
}

/// Which segments stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterType {
    /// Of each class the one with the largest area.
    LargestByClass,
    /// All of the classes.
    ByClass,
}

/// Settings of `segment_filter`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentFilterSettings {
    /// Which segments stay.
    pub segment_filter_type: FilterType,
    /// Only segments of these classes stay; all classes when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment_filter_classes: Option<Vec<String>>,
}

/// Settings of `species_distributor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeciesSettings {
    /// The species, in the order in which they are given out.
    pub species: Vec<String>,
}

/// Which picture is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageSource {
    /// The one that came in.
    Original,
    /// The one that the latest `visualize_detections` drew into.
    Processed,
}

/// Settings of `visualize_detections`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VisualizeSettings {
    /// Draws objects.
    pub draw_detections: bool,
    /// Draws segments.
    pub draw_segments: bool,
    /// Writes the picture's classes below it.
    pub draw_classifications: bool,
}

/// Settings of `upload_image`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadSettings {
    /// Which picture.
    pub source: ImageSource,
    /// The folder below the tenant's.
    pub dest_prefix: String,
    /// Longest edges of the thumbnails in pixels; a picture is never enlarged.
    pub thumbnail_sizes: Vec<u32>,
    /// JPEG quality.
    pub quality: u8,
    /// Stores nothing when there is no such picture.
    #[serde(default)]
    pub skip_if_missing: bool,
}

impl From<&SahiSettings> for SahiConfig {
    fn from(settings: &SahiSettings) -> Self {
        let FindSettings { confidence_threshold, iou_threshold, classes, max_detections, class_agnostic, image_size } =
            settings.find.clone();
        Self {
            confidence_threshold: Some(confidence_threshold),
            iou_threshold,
            classes,
            max_detections,
            class_agnostic,
            image_size,
            slice_height: settings.sahi_slice_height,
            slice_width: settings.sahi_slice_width,
            overlap_ratio: settings.sahi_overlap_ratio,
            postprocess: settings.postprocess,
            match_metric: settings.match_metric,
            match_threshold: settings.match_threshold,
            full_image: settings.full_image,
            model_profile: ModelProfileName::default(),
            use_gpu: None,
        }
    }
}

impl Step {
    /// The word that the step is named with.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Detection(_) => "detection",
            Self::Segmentation(_) => "segmentation",
            Self::SahiDetection(_) => "sahi_detection",
            Self::Classification(_) => "classification",
            Self::SegmentFilter(_) => "segment_filter",
            Self::AggregateDetections(_) => "aggregate_detections",
            Self::SizeCalculator(_) => "size_calculator",
            Self::SpeciesDistributor(_) => "species_distributor",
            Self::VisualizeDetections(_) => "visualize_detections",
            Self::UploadImage(_) => "upload_image",
            Self::SendResults(_) => "send_results",
        }
    }

    /// The tenant's model slot that the step runs, if it runs one.
    pub const fn slot(&self) -> Option<Slot> {
        match self {
            Self::Detection(_) | Self::SahiDetection(_) => Some(Slot::Detect),
            Self::Segmentation(_) => Some(Slot::Segment),
            Self::Classification(_) => Some(Slot::Classify),
            _ => None,
        }
    }
}
