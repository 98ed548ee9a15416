//! Collects what the passes over a picture's parts gave, in the coordinates of the whole picture.

use std::collections::HashMap;

use ortolan_domain::config::Merge;

use super::merge::{Kept, RawBox, merge};
use super::options::{TilingError, TilingOptions};
use crate::output::{BoundingBox, Detection, OrientedDetection, PoseDetection, VisionOutput};

/// Most boxes that enter merging, whose cost grows with their square; the best ones are taken.
const MAX_RAW_BOXES: usize = 20_000;
/// So many more are kept before the worst are thrown away.
const SPARE: usize = 10_000;

/// Collects the detections of tiles and merges them at the end.
#[derive(Debug, Clone)]
pub struct Gatherer {
    options: TilingOptions,
    found: Vec<Found>,
    labels: HashMap<u32, String>,
}

/// One detection of a tile, in pixels of the whole picture.
#[derive(Debug, Clone)]
struct Found {
    raw: RawBox,
    shape: Shape,
}

/// What a detection is besides its box.
#[derive(Debug, Clone)]
enum Shape {
    Upright,
    Oriented(Box<OrientedDetection>),
    Pose(Box<PoseDetection>),
}

impl Gatherer {
    /// An empty collection.
    pub fn new(options: TilingOptions) -> Self {
        Self { options, found: Vec::new(), labels: HashMap::new() }
    }

    /// Adds what was found in the part whose first pixel is at column `left` and row `top`. Boxes without width or height
    /// are left out.
    pub fn add(&mut self, output: VisionOutput, (left, top): (u32, u32)) -> Result<(), TilingError> {
        match output {
            VisionOutput::Detections(found) => {
                for one in found {
                    self.keep(one.class_id, one.label, one.confidence, one.bounding_box, (left, top), Shape::Upright);
                }
            }
            VisionOutput::Oriented(found) => {
                for one in found {
                    let shape = Shape::Oriented(Box::new(one.clone().moved(left, top)));
                    self.keep(one.class_id, one.label, one.confidence, one.bounding_box, (left, top), shape);
                }
            }
            VisionOutput::Poses(found) => {
                for one in found {
                    let shape = Shape::Pose(Box::new(one.clone().moved(left, top)));
                    self.keep(one.class_id, one.label, one.confidence, one.bounding_box, (left, top), shape);
                }
            }
            VisionOutput::Segments(_) | VisionOutput::Classification(_) => return Err(TilingError::Model),
        }
        if self.found.len() > MAX_RAW_BOXES + SPARE {
            self.keep_best();
        }
        Ok(())
    }

    /// How many boxes there are, before merging.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// Merges the boxes and gives them best first. Turned boxes and poses cannot grow: the best of those that match stays
    /// as it is.
    pub fn finish(mut self) -> VisionOutput {
        self.keep_best();
        let is_upright = self.found.iter().all(|found| matches!(found.shape, Shape::Upright));
        let postprocess = if is_upright { self.options.postprocess } else { Merge::Nms };
        let raw: Vec<RawBox> = self.found.iter().map(|found| found.raw).collect();
        let mut kept = merge(&raw, &TilingOptions { postprocess, ..self.options });
        kept.sort_by(|a, b| b.grown.score.total_cmp(&a.grown.score).then(a.index.cmp(&b.index)));
        kept.truncate(self.options.max_detections);
        self.output(&kept)
    }

    fn keep(&mut self, class_id: u32, label: String, score: f32, place: BoundingBox, at: (u32, u32), shape: Shape) {
        if place.width <= 0.0 || place.height <= 0.0 {
            return;
        }
        self.labels.entry(class_id).or_insert(label);
        let (left, top) = (f64::from(at.0), f64::from(at.1));
        let (x, y) = (f64::from(place.x), f64::from(place.y));
        let (right, bottom) = (x + f64::from(place.width), y + f64::from(place.height));
        let edges = [x + left, y + top, right + left, bottom + top];
        self.found.push(Found { raw: RawBox { edges, score, class_id }, shape });
    }

    /// Throws the worst away when there are too many.
    fn keep_best(&mut self) {
        if self.found.len() > MAX_RAW_BOXES {
            self.found.sort_by(|a, b| b.raw.score.total_cmp(&a.raw.score));
            self.found.truncate(MAX_RAW_BOXES);
        }
    }

    fn output(mut self, kept: &[Kept]) -> VisionOutput {
        match self.found.first().map(|found| &found.shape) {
            None | Some(Shape::Upright) => {
                VisionOutput::Detections(kept.iter().map(|kept| detection(&kept.grown, &self.labels)).collect())
            }
            Some(Shape::Oriented(_)) => VisionOutput::Oriented(self.take(kept, |shape| match shape {
                Shape::Oriented(one) => Some(*one),
                _ => None,
            })),
            Some(Shape::Pose(_)) => VisionOutput::Poses(self.take(kept, |shape| match shape {
                Shape::Pose(one) => Some(*one),
                _ => None,
            })),
        }
    }

    fn take<T>(&mut self, kept: &[Kept], shape: impl Fn(Shape) -> Option<T>) -> Vec<T> {
        let found = &mut self.found;
        let taken = kept.iter().map(|kept| std::mem::replace(&mut found[kept.index].shape, Shape::Upright));
        taken.filter_map(shape).collect()
    }
}

fn detection(raw: &RawBox, labels: &HashMap<u32, String>) -> Detection {
    let [left, top, right, bottom] = raw.edges;
    Detection {
        class_id: raw.class_id,
        label: labels.get(&raw.class_id).cloned().unwrap_or_else(|| raw.class_id.to_string()),
        confidence: raw.score,
        bounding_box: BoundingBox {
            x: left as f32,
            y: top as f32,
            width: (right - left) as f32,
            height: (bottom - top) as f32,
        },
    }
}
