//! What can be drawn of an artifact.

use serde::{Deserialize, Deserializer};

/// Something that was found in a picture. Lengths are pixels of the upright original.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Finding {
    /// The class's name.
    pub label: String,
    /// The class's number in the model.
    pub class_id: Option<u32>,
    /// 0 to 1.
    pub confidence: f64,
    /// The upright box around it.
    pub bounding_box: Option<Rect>,
    /// The corners of a turned box.
    pub corners: Vec<[f64; 2]>,
    /// Which pixels belong to it.
    #[serde(rename = "mask_rle")]
    pub mask: Option<Mask>,
    /// The outline of its largest part.
    pub polygon: Vec<[f64; 2]>,
    /// x, y and visibility where the model gives one.
    pub keypoints: Vec<(f64, f64, Option<f64>)>,
    /// What the picture as a whole shows, the best first.
    pub predictions: Vec<ClassScore>,
}

/// An upright box.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Rect {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// Run lengths of zeros and ones in turn, column by column, zeros first (COCO, uncompressed).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Mask {
    /// Height and width.
    pub size: [u32; 2],
    /// The run lengths.
    pub counts: Vec<u32>,
}

/// One class of a classification.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ClassScore {
    /// The class's name.
    pub label: String,
    /// The class's number in the model.
    #[serde(default)]
    pub class_id: Option<u32>,
    /// 0 to 1.
    pub confidence: f64,
}

impl Finding {
    /// Reads a payload; `None` when it is of a kind that has no place in a picture.
    pub fn read<'de>(payload: impl Deserializer<'de>) -> Option<Self> {
        let finding = Self::deserialize(payload).ok()?;
        (finding.bounding_box.is_some() || !finding.predictions.is_empty()).then_some(finding)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    const BOX: &str = r#"{"x": 1.0, "y": 2, "width": 3, "height": 0}"#;

    fn read(payload: &str) -> Option<Finding> {
        Finding::read(serde_json::from_str::<Value>(&payload.replace("BOX", BOX)).unwrap())
    }

    #[test]
    fn every_kind_of_picture_artifact_is_understood() {
        let detection =
            read(r#"{"label": "a", "class_id": 1, "confidence": 0.5, "bounding_box": BOX, "frame_number": 0}"#)
                .unwrap();
        assert_eq!((detection.label.as_str(), detection.class_id), ("a", Some(1)));
        let segment = read(
            r#"{"label": "a", "class_id": 1, "confidence": 0.5, "bounding_box": BOX, "area_px": 1,
                "mask_rle": {"size": [1, 2], "counts": [1, 1]}, "polygon": [[0, 0], [1, 0], [1, 1]]}"#,
        )
        .unwrap();
        assert_eq!((segment.mask.unwrap().counts, segment.polygon.len()), (vec![1, 1], 3));
        let pose =
            read(r#"{"label": "a", "confidence": 1, "bounding_box": BOX, "keypoints": [[1, 2, null], [3, 4, 0.9]]}"#);
        assert_eq!(pose.unwrap().keypoints, [(1.0, 2.0, None), (3.0, 4.0, Some(0.9))]);
        let turned = read(
            r#"{"label": "a", "confidence": 1, "bounding_box": BOX, "corners": [[0, 0], [1, 0], [1, 1], [0, 1]], "angle_rad": 0.1}"#,
        );
        assert_eq!(turned.unwrap().corners.len(), 4);
        let classes = read(r#"{"predictions": [{"label": "a", "class_id": 0, "confidence": 0.7}]}"#).unwrap();
        assert_eq!(classes.predictions[0].label, "a");
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        for payload in [json!(null), json!([1]), json!({"text": "hello", "start_ms": 1}), json!({"label": 5})] {
            assert_eq!(Finding::read(&payload), None, "{payload}");
        }
    }
}
