//! What a task may be told: one typed configuration per kind of task, checked at the edge and stored in full.

mod sahi;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::FieldError;
use crate::hash;
use crate::id::ModelId;
use crate::pipeline::{PipelineConfig, PipelineError, PipelineWish};
use crate::slot::Slot;
use crate::task::TaskType;

pub use sahi::{MAX_OVERLAP_RATIO, MatchMetric, Merge, SLICE_PX, SahiConfig};

/// The longest that a no-op may sleep, in milliseconds.
pub const MAX_SLEEP_MS: u64 = 60_000;
/// The most detections that a task may ask for.
pub const MAX_DETECTIONS: u32 = 3_000;
/// The most classes that a filter may name.
pub const MAX_CLASSES: usize = 1_000;
/// The range of an edge of the model's input, in pixels.
pub const IMAGE_SIZE_PX: std::ops::RangeInclusive<u32> = 32..=4096;

/// A class by number or by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClassRef {
    /// Its number in the model.
    Id(u32),
    /// Its name in the model.
    Name(String),
}

/// The size of a dynamic model's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ImageSize {
    /// The same for both edges, in pixels.
    Square(u32),
    /// Height and width, in pixels.
    HeightWidth([u32; 2]),
}

impl ImageSize {
    /// Height and width in pixels.
    pub const fn height_width(self) -> [u32; 2] {
        match self {
            Self::Square(edge) => [edge, edge],
            Self::HeightWidth(edges) => edges,
        }
    }
}

/// How carefully a model should look: a word that is stored with each result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelProfileName {
    /// Speed before quality.
    Fast,
    /// The usual.
    #[default]
    Balanced,
    /// Quality before speed.
    HighQuality,
}

impl ModelProfileName {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Balanced => "balanced",
            Self::HighQuality => "high_quality",
        }
    }
}

/// The configuration of a task that looks at one picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageConfig {
    /// Only what scores more than this, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence_threshold: Option<f32>,
    /// A box goes when it overlaps a better one by more than this, 0 to 1.
    #[serde(default = "default_iou")]
    pub iou_threshold: f32,
    /// Only these classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<ClassRef>>,
    /// At most this many detections.
    #[serde(default = "default_max_detections")]
    pub max_detections: u32,
    /// Boxes of different classes compete too.
    #[serde(default)]
    pub class_agnostic: bool,
    /// Input size of a dynamic model; the file's own `imgsz` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_size: Option<ImageSize>,
    /// The best so many classes of a classification.
    #[serde(default = "default_top_k")]
    pub top_k: u32,
    /// A word that is stored with each result.
    #[serde(default)]
    pub model_profile: ModelProfileName,
    /// Sends the task to `gpu_jobs` or `cpu_jobs`, whatever the route table says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_gpu: Option<bool>,
}

const fn default_iou() -> f32 {
    0.7
}
const fn default_max_detections() -> u32 {
    300
}
const fn default_top_k() -> u32 {
    5
}

/// The configuration of a no-op.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoopConfig {
    /// How long the ML service waits before it answers.
    #[serde(default)]
    pub sleep_ms: u64,
}

/// The configuration of a job: which version is asked, and what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InferenceConfig {
    /// The version in the registry.
    pub model_id: ModelId,
    /// The inputs by name, as nested lists.
    pub input_data: Written,
}

/// JSON exactly as it was written: numbers keep every digit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Written(pub Box<RawValue>);

impl PartialEq for Written {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

/// The configuration of any task.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum TaskConfig {
    /// One picture through one model.
    Image(ImageConfig),
    /// One picture through one model, tile by tile.
    Sahi(SahiConfig),
    /// Several steps over one picture.
    Pipeline(PipelineConfig),
    /// Named tensors through a version in the registry.
    Inference(InferenceConfig),
    /// Nothing at all.
    Noop(NoopConfig),
}

/// Why a task cannot be told this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A field is missing, unknown or out of range.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The definition is no pipeline.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
}

/// The default confidence thresholds that the service applies where a task names none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConfidenceDefaults {
    /// For detection.
    pub detect: f32,
    /// For segmentation.
    pub segment: f32,
}

impl Default for ConfidenceDefaults {
    fn default() -> Self {
        Self { detect: 0.8, segment: 0.5 }
    }
}

/// A configuration that was checked and written out in full.
#[derive(Debug, Clone)]
pub struct CheckedConfig {
    /// The typed configuration.
    pub config: TaskConfig,
    /// The same as JSON, defaults filled in.
    pub json: Box<RawValue>,
    /// SHA-256 of its canonical form.
    pub hash: Arc<str>,
}

impl TaskConfig {
    /// Reads what is stored with a task of type `kind`; only shapes are looked at, ranges were checked when it came in.
    pub fn read(kind: TaskType, json: &RawValue) -> Result<Self, FieldError> {
        Ok(match kind {
            TaskType::Noop => Self::Noop(read(json)?),
            TaskType::Inference => Self::Inference(read(json)?),
            TaskType::SahiDetection => Self::Sahi(read(json)?),
            TaskType::Pipeline => Self::Pipeline(read(json)?),
            _ => Self::Image(read(json)?),
        })
    }

    /// Checks what a client sent for a task of type `kind` and fills in the defaults.
    pub fn check(kind: TaskType, json: &RawValue, defaults: ConfidenceDefaults) -> Result<CheckedConfig, ConfigError> {
        if kind == TaskType::Pipeline {
            let checked = PipelineConfig::check(read(json)?, defaults).map_err(ConfigError::in_config)?;
            return Ok(Self::Pipeline(checked).written()?);
        }
        Ok(Self::read(kind, json)?.checked(kind, defaults)?)
    }

    /// Checks a pipeline that is a request of its own, whose fields are named without a `config.` before them.
    pub fn of_pipeline(wish: PipelineWish, defaults: ConfidenceDefaults) -> Result<CheckedConfig, ConfigError> {
        Ok(Self::Pipeline(PipelineConfig::check(wish, defaults)?).written()?)
    }

    /// Checks a typed configuration and fills in the defaults.
    pub fn checked(mut self, kind: TaskType, defaults: ConfidenceDefaults) -> Result<CheckedConfig, FieldError> {
        self.check_ranges()?;
        self.fill(kind, defaults);
        self.written()
    }

    fn written(self) -> Result<CheckedConfig, FieldError> {
        let internal = |error: serde_json::Error| FieldError::new("config", format!("cannot be written: {error}"));
        let hash = hash::canonical_hash(&self).map_err(internal)?.into();
        let json = serde_json::value::to_raw_value(&self).map_err(internal)?;
        Ok(CheckedConfig { config: self, json, hash })
    }

    /// The model slots that a task of type `kind` needs.
    pub fn slots(&self, kind: TaskType) -> BTreeSet<Slot> {
        match self {
            Self::Pipeline(config) => config.pipeline_definition.slots(),
            _ => kind.slot().into_iter().collect(),
        }
    }

    /// The task's wish for a queue.
    pub const fn use_gpu(&self) -> Option<bool> {
        match self {
            Self::Image(config) => config.use_gpu,
            Self::Sahi(config) => config.use_gpu,
            Self::Pipeline(config) => config.use_gpu,
            Self::Inference(_) | Self::Noop(_) => None,
        }
    }

    /// The word that is stored with each result.
    pub const fn model_profile(&self) -> ModelProfileName {
        match self {
            Self::Image(config) => config.model_profile,
            Self::Sahi(config) => config.model_profile,
            Self::Pipeline(config) => config.model_profile,
            Self::Inference(_) | Self::Noop(_) => ModelProfileName::Balanced,
        }
    }

    fn fill(&mut self, kind: TaskType, defaults: ConfidenceDefaults) {
        let threshold = match self {
            Self::Image(config) => &mut config.confidence_threshold,
            Self::Sahi(config) => &mut config.confidence_threshold,
            Self::Pipeline(_) | Self::Inference(_) | Self::Noop(_) => return,
        };
        let default = match kind {
            TaskType::ObjectDetection | TaskType::SahiDetection => Some(defaults.detect),
            TaskType::Segmentation => Some(defaults.segment),
            _ => None,
        };
        *threshold = threshold.or(default);
    }

    fn check_ranges(&self) -> Result<(), FieldError> {
        match self {
            Self::Image(config) => config.check_ranges(),
            Self::Sahi(config) => config.check_ranges(),
            Self::Noop(NoopConfig { sleep_ms }) if *sleep_ms > MAX_SLEEP_MS => {
                Err(FieldError::new("config.sleep_ms", format!("must be at most {MAX_SLEEP_MS}, was {sleep_ms}")))
            }
            Self::Inference(InferenceConfig { input_data, .. }) => input_data.require_object("config.input_data"),
            Self::Pipeline(_) | Self::Noop(_) => Ok(()),
        }
    }
}

impl ConfigError {
    /// The same error, its field named as a part of a task's `config`.
    fn in_config(self) -> Self {
        match self {
            Self::Field(error) => Self::Field(FieldError { field: format!("config.{}", error.field), ..error }),
            other => other,
        }
    }
}

impl Written {
    fn require_object(&self, field: &str) -> Result<(), FieldError> {
        match self.0.get().trim_start().starts_with('{') {
            true => Ok(()),
            false => Err(FieldError::new(field, "must be an object of values by the names of inputs")),
        }
    }
}

impl ImageConfig {
    fn check_ranges(&self) -> Result<(), FieldError> {
        let share = |field: &str, value: f32| {
            let reason = || format!("must be a number from 0 to 1, was {value}");
            if (0.0..=1.0).contains(&value) { Ok(()) } else { Err(FieldError::new(field, reason())) }
        };
        share("config.confidence_threshold", self.confidence_threshold.unwrap_or_default())?;
        share("config.iou_threshold", self.iou_threshold)?;
        let count = |field: &str, value: u32, most: u32| {
            let reason = || format!("must be from 1 to {most}, was {value}");
            if (1..=most).contains(&value) { Ok(()) } else { Err(FieldError::new(field, reason())) }
        };
        count("config.max_detections", self.max_detections, MAX_DETECTIONS)?;
        count("config.top_k", self.top_k, MAX_DETECTIONS)?;
        if let Some(edge) =
            self.image_size.and_then(|s| s.height_width().into_iter().find(|e| !IMAGE_SIZE_PX.contains(e)))
        {
            let (least, most) = (IMAGE_SIZE_PX.start(), IMAGE_SIZE_PX.end());
            return Err(FieldError::new(
                "config.image_size",
                format!("must be from {least} to {most} pixels, was {edge}"),
            ));
        }
        self.check_classes()
    }

    fn check_classes(&self) -> Result<(), FieldError> {
        let Some(classes) = &self.classes else { return Ok(()) };
        let reason = match classes.len() {
            0 => "must name at least one class, or be left out for all of them".to_owned(),
            n if n > MAX_CLASSES => format!("must name at most {MAX_CLASSES} classes, names {n}"),
            _ => return Ok(()),
        };
        Err(FieldError::new("config.classes", reason))
    }
}

/// Reads JSON into a type and names the field that does not fit.
fn read<'a, T: Deserialize<'a>>(json: &'a RawValue) -> Result<T, FieldError> {
    let mut from = serde_json::Deserializer::from_str(json.get());
    serde_path_to_error::deserialize(&mut from).map_err(|error| FieldError {
        field: match error.path().to_string().as_str() {
            "." => "config".to_owned(),
            path => format!("config.{path}"),
        },
        reason: error.inner().to_string(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(kind: TaskType, json: &str) -> Result<CheckedConfig, FieldError> {
        let json = RawValue::from_string(json.to_owned()).unwrap();
        TaskConfig::check(kind, &json, ConfidenceDefaults::default()).map_err(|error| match error {
            ConfigError::Field(error) => error,
            ConfigError::Pipeline(error) => panic!("{error}"),
        })
    }

    #[test]
    fn defaults_are_written_out_and_depend_on_the_task() {
        let json = |kind| check(kind, "{}").unwrap().json.get().to_owned();
        assert!(json(TaskType::ObjectDetection).contains(r#""confidence_threshold":0.8"#));
        assert!(json(TaskType::Segmentation).contains(r#""confidence_threshold":0.5"#));
        assert!(!json(TaskType::Classification).contains("confidence_threshold"));
        assert_eq!(json(TaskType::Noop), r#"{"sleep_ms":0}"#);
    }

    #[test]
    fn what_was_stored_reads_back_the_same() {
        let sent = r#"{"confidence_threshold":0.25,"classes":["circle",2],"image_size":[320,640],"use_gpu":false}"#;
        let checked = check(TaskType::ObjectDetection, sent).unwrap();
        let again = TaskConfig::check(TaskType::ObjectDetection, &checked.json, ConfidenceDefaults::default()).unwrap();
        assert_eq!(again.config, checked.config);
        assert_eq!(again.hash, checked.hash);
    }

    #[test]
    fn a_bad_field_is_named_with_its_range() {
        for (json, field) in [
            (r#"{"confidence_threshold": 1.5}"#, "config.confidence_threshold"),
            (r#"{"confidence_threshold": "high"}"#, "config.confidence_threshold"),
            (r#"{"iou_threshold": -0.1}"#, "config.iou_threshold"),
            (r#"{"max_detections": 0}"#, "config.max_detections"),
            (r#"{"image_size": 31}"#, "config.image_size"),
            (r#"{"image_size": [64]}"#, "config.image_size"),
            (r#"{"classes": []}"#, "config.classes"),
            (r#"{"classes": [1.5]}"#, "config.classes[0]"),
            (r#"{"zzz": 1}"#, "config.zzz"),
            ("[]", "config"),
        ] {
            assert_eq!(check(TaskType::ObjectDetection, json).unwrap_err().field, field, "{json}");
        }
        let error = check(TaskType::Noop, r#"{"sleep_ms": 60001}"#).unwrap_err();
        assert_eq!(error.to_string(), "config.sleep_ms: must be at most 60000, was 60001");
    }
}
