//! The one table of steps: what each does and what it may be told.

use serde_json::{Map, Value, json};

use super::setting::{Fallback, Kind, Setting};
use crate::config::{ConfidenceDefaults, MAX_CLASSES, MAX_DETECTIONS, MAX_OVERLAP_RATIO, SLICE_PX};
use crate::slot::Slot;

/// A step as the table knows it.
#[derive(Debug, Clone, Copy)]
pub struct StepSpec {
    /// The word that it is named with.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// The model slot that it runs.
    pub slot: Option<Slot>,
    /// What it may be told.
    pub settings: &'static [Setting],
}

const fn setting(name: &'static str, kind: Kind, fallback: Fallback, about: &'static str) -> Setting {
    Setting { name, about, kind, fallback }
}

const SHARE: Kind = Kind::Number(0.0, 1.0);

const fn confidence(fallback: Fallback) -> Setting {
    setting("confidence_threshold", SHARE, fallback, "Only what scores more than this.")
}
const CLASSES: Setting = setting(
    "classes",
    Kind::Classes(MAX_CLASSES),
    Fallback::None,
    "Only these classes, by number or name; all when left out.",
);
const IOU: Setting = setting(
    "iou_threshold",
    SHARE,
    Fallback::Json("0.7"),
    "A box goes when it overlaps a better one by more than this.",
);
const MAX: Setting = setting(
    "max_detections",
    Kind::Integer(1, MAX_DETECTIONS as u64),
    Fallback::Json("300"),
    "At most this many, in each picture or crop.",
);
const AGNOSTIC: Setting =
    setting("class_agnostic", Kind::Flag, Fallback::Json("false"), "Boxes of different classes compete too.");
const IMAGE_SIZE: Setting = setting(
    "image_size",
    Kind::ImageSize,
    Fallback::None,
    "Input size of a model that leaves it open; the file's own when left out.",
);
const TILE: Kind = Kind::Integer(*SLICE_PX.start() as u64, *SLICE_PX.end() as u64);

/// All steps.
pub const STEPS: [StepSpec; 11] = [
    StepSpec {
        name: "detection",
        about: "Finds objects and puts boxes around them, best first; with segment_type only inside of the segments of that class.",
        slot: Some(Slot::Detect),
        settings: &[
            confidence(Fallback::DetectConfidence),
            IOU,
            CLASSES,
            MAX,
            AGNOSTIC,
            IMAGE_SIZE,
            setting(
                "segment_type",
                Kind::Text(200),
                Fallback::None,
                "Looks only at the crops of segments of this class; boxes stay in pixels of the whole picture.",
            ),
        ],
    },
    StepSpec {
        name: "segmentation",
        about: "Finds objects and their masks, the largest first.",
        slot: Some(Slot::Segment),
        settings: &[confidence(Fallback::SegmentConfidence), IOU, CLASSES, MAX, AGNOSTIC, IMAGE_SIZE],
    },
    StepSpec {
        name: "sahi_detection",
        about: "Finds small objects: looks at overlapping tiles of the picture and makes one box of those that mean the same.",
        slot: Some(Slot::Detect),
        settings: &[
            confidence(Fallback::DetectConfidence),
            IOU,
            CLASSES,
            setting(
                "max_detections",
                Kind::Integer(1, MAX_DETECTIONS as u64),
                Fallback::Json("3000"),
                "At most this many after merging.",
            ),
            IMAGE_SIZE,
            setting("sahi_slice_height", TILE, Fallback::Json("512"), "Height of a tile in pixels."),
            setting("sahi_slice_width", TILE, Fallback::Json("512"), "Width of a tile in pixels."),
            setting(
                "sahi_overlap_ratio",
                Kind::Number(0.0, MAX_OVERLAP_RATIO),
                Fallback::Json("0.25"),
                "The share of a tile that it has in common with the next one.",
            ),
            setting(
                "postprocess",
                Kind::Word(&["GREEDYNMM", "NMM", "NMS"]),
                Fallback::Json("\"GREEDYNMM\""),
                "How boxes of neighbouring tiles become one.",
            ),
            setting(
                "match_metric",
                Kind::Word(&["IOS", "IOU"]),
                Fallback::Json("\"IOS\""),
                "What counts as overlap: intersection over the smaller area, or over the union.",
            ),
            setting("match_threshold", SHARE, Fallback::Json("0.5"), "How much overlap makes two boxes one."),
            setting(
                "class_agnostic",
                Kind::Flag,
                Fallback::Json("false"),
                "Boxes of different classes become one too.",
            ),
            setting("full_image", Kind::Flag, Fallback::Json("false"), "Looks at the picture as a whole as well."),
        ],
    },
    StepSpec {
        name: "classification",
        about: "Says what the picture as a whole shows.",
        slot: Some(Slot::Classify),
        settings: &[setting(
            "top_k",
            Kind::Integer(1, MAX_DETECTIONS as u64),
            Fallback::Json("5"),
            "The best so many classes.",
        )],
    },
    StepSpec {
        name: "segment_filter",
        about: "Keeps some of the segments; later steps see and crop only these.",
        slot: None,
        settings: &[
            setting(
                "segment_filter_type",
                Kind::Word(&["largest_by_class", "by_class"]),
                Fallback::Json("\"largest_by_class\""),
                "Of each class the one with the largest area, or all of the classes.",
            ),
            setting(
                "segment_filter_classes",
                Kind::Texts(MAX_CLASSES, 200),
                Fallback::None,
                "Only segments of these classes stay; all classes when left out.",
            ),
        ],
    },
    StepSpec {
        name: "aggregate_detections",
        about: "Counts the objects, in all and in each segment.",
        slot: None,
        settings: &[],
    },
    StepSpec {
        name: "size_calculator",
        about: "Sorts the objects into S, M, L and XL by how far their area lies from the mean, in standard deviations.",
        slot: None,
        settings: &[],
    },
    StepSpec {
        name: "species_distributor",
        about: "Gives the objects species in turn.",
        slot: None,
        settings: &[setting(
            "species",
            Kind::Texts(100, 200),
            Fallback::Required,
            "The species, in the order in which they are given out.",
        )],
    },
    StepSpec {
        name: "visualize_detections",
        about: "Draws what was found into a copy of the picture, which upload_image can store as source processed.",
        slot: None,
        settings: &[
            setting(
                "draw_detections",
                Kind::Flag,
                Fallback::Json("true"),
                "Draws objects: boxes, turned boxes, key points.",
            ),
            setting("draw_segments", Kind::Flag, Fallback::Json("true"), "Draws segments: masks and their boxes."),
            setting(
                "draw_classifications",
                Kind::Flag,
                Fallback::Json("false"),
                "Writes the picture's classes below it.",
            ),
        ],
    },
    StepSpec {
        name: "upload_image",
        about: "Stores the picture as {tenant}/{dest_prefix}/{image_id}.jpg, and thumbnails as {tenant}/{dest_prefix}_thumbnails/{image_id}_{size}.jpg.",
        slot: None,
        settings: &[
            setting(
                "source",
                Kind::Word(&["original", "processed"]),
                Fallback::Json("\"original\""),
                "The picture that came in, or the one that visualize_detections made of it.",
            ),
            setting("dest_prefix", Kind::Prefix, Fallback::Json("\"images\""), "The folder below the tenant's."),
            setting(
                "thumbnail_sizes",
                Kind::Integers(8, 16, 4096),
                Fallback::Json("[256, 512]"),
                "Longest edges of the thumbnails in pixels; a picture is never enlarged.",
            ),
            setting("quality", Kind::Integer(1, 100), Fallback::Json("85"), "JPEG quality."),
            setting(
                "skip_if_missing",
                Kind::Flag,
                Fallback::Json("false"),
                "Stores nothing, instead of failing, when there is no processed picture.",
            ),
        ],
    },
    StepSpec {
        name: "send_results",
        about: "Posts the results to the backend that the installation names, once the task has ended.",
        slot: None,
        settings: &[],
    },
];

/// Old names of steps.
const ALIASES: [(&str, &str); 1] = [("send_results_backend", "send_results")];

/// The step of a name.
pub fn find(name: &str) -> Option<&'static StepSpec> {
    let name = ALIASES.iter().find(|(old, _)| *old == name).map_or(name, |(_, name)| name);
    STEPS.iter().find(|step| step.name == name)
}

/// The names of all steps.
pub fn names() -> Vec<&'static str> {
    STEPS.iter().map(|step| step.name).collect()
}

/// True when some step has a setting of this name.
pub(super) fn is_setting(name: &str) -> bool {
    STEPS.iter().any(|step| step.settings.iter().any(|setting| setting.name == name))
}

impl StepSpec {
    /// The JSON Schema (2020-12) of the step's `kwargs`.
    pub fn schema(&self, defaults: ConfidenceDefaults) -> Value {
        let properties: Map<_, _> =
            self.settings.iter().map(|setting| (setting.name.to_owned(), setting.schema(defaults))).collect();
        let required = self.settings.iter().filter(|setting| matches!(setting.fallback, Fallback::Required));
        let required: Vec<_> = required.map(|setting| setting.name).collect();
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": self.name,
            "description": self.about,
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::step::Step;
    use super::*;

    #[test]
    fn every_default_passes_its_own_check_and_fills_the_type() {
        for step in STEPS {
            let mut kwargs = Map::new();
            for setting in step.settings {
                if let Some(default) = setting.default_value(ConfidenceDefaults::default()) {
                    setting.kind.check(&default).unwrap();
                    kwargs.insert(setting.name.to_owned(), default);
                }
            }
            if step.name == "species_distributor" {
                kwargs.insert("species".to_owned(), json!(["a"]));
            }
            let made: Step = serde_json::from_value(json!({"name": step.name, "kwargs": kwargs})).unwrap();
            assert_eq!((made.name(), made.slot()), (step.name, step.slot));
        }
    }

    #[test]
    fn a_schema_names_ranges_and_defaults() {
        let schema = find("upload_image").unwrap().schema(ConfidenceDefaults::default());
        assert_eq!(schema["properties"]["quality"]["maximum"], 100);
        assert_eq!(schema["properties"]["thumbnail_sizes"]["default"], json!([256, 512]));
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(
            find("species_distributor").unwrap().schema(ConfidenceDefaults::default())["required"],
            json!(["species"])
        );
    }
}
