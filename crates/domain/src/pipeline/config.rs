//! A pipeline as a task's configuration.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::check::Common;
use super::definition::{self, DefinitionError, MAX_BYTES, Node};
use super::error::PipelineError;
use super::step::Step;
use crate::config::{ConfidenceDefaults, ConfigError, ModelProfileName};
use crate::id::{MediaId, TaskId};
use crate::task::TaskInput;

/// Most pictures that one pipeline may draw.
const MAX_DRAWINGS: usize = 2;
/// Folders of a tenant that the service keeps its own things in.
const RESERVED_FOLDERS: [&str; 4] = ["media", "models", "staging", "uploads"];

/// What a client sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineWish {
    /// The definition.
    pub pipeline_definition: Box<RawValue>,
    /// Settings for every step that has one of the name and is not told otherwise.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// Whose session it belongs to; comes back with the result.
    #[serde(default)]
    pub session_id: Option<Uuid>,
    /// What the picture is called; the media object's id when absent, or the task's.
    #[serde(default)]
    pub image_id: Option<Uuid>,
    /// A word that is stored with each result.
    #[serde(default)]
    pub model_profile: ModelProfileName,
    /// Sends the task to `gpu_jobs` or `cpu_jobs`, whatever the route table says.
    #[serde(default)]
    pub use_gpu: Option<bool>,
}

/// A pipeline that can be run: every step known, every setting written out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineConfig {
    /// The tree.
    pub pipeline_definition: Node,
    /// Whose session it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<Uuid>,
    /// What the picture is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_id: Option<Uuid>,
    /// A word that is stored with each result.
    #[serde(default)]
    pub model_profile: ModelProfileName,
    /// Which queue the task wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_gpu: Option<bool>,
}

impl PipelineConfig {
    /// Checks a wish as a whole. `field` is the path of the configuration in the request, for messages.
    pub fn check(wish: PipelineWish, defaults: ConfidenceDefaults) -> Result<Self, ConfigError> {
        let definition = parse(&wish.pipeline_definition)?;
        let common = Common { settings: &wish.settings, defaults };
        common.check_names()?;
        let make = |path: &str, name: &str, kwargs: &Map<String, Value>| common.step(path, name, kwargs);
        let definition = definition::parse("pipeline_definition", &definition, &make)?;
        check_places(&definition)?;
        check_drawings(&definition)?;
        Ok(Self {
            pipeline_definition: definition,
            session_id: wish.session_id,
            image_id: wish.image_id,
            model_profile: wish.model_profile,
            use_gpu: wish.use_gpu,
        })
    }

    /// What the picture is called: as the request says, else like its media object, else like its task.
    pub fn image_id_or(&self, input: Option<&TaskInput>, task: TaskId) -> Uuid {
        let media_id = input.and_then(|input| input.media_id).map(MediaId::as_uuid);
        self.image_id.or(media_id).unwrap_or_else(|| task.as_uuid())
    }

    /// True when the backend wants the results.
    pub fn sends_results(&self) -> bool {
        self.pipeline_definition.steps().iter().any(|step| matches!(step, Step::SendResults(_)))
    }

    /// True when pictures are stored.
    pub fn uploads(&self) -> bool {
        self.pipeline_definition.steps().iter().any(|step| matches!(step, Step::UploadImage(_)))
    }
}

fn parse(json: &RawValue) -> Result<Value, PipelineError> {
    if json.get().len() > MAX_BYTES {
        return Err(PipelineError::new(format!("the definition has more than {MAX_BYTES} bytes")));
    }
    serde_json::from_str(json.get()).map_err(|_| PipelineError::new("it is nested too deeply"))
}

/// Refuses more drawn pictures than a runner should hold beside the one that came in.
fn check_drawings(definition: &Node) -> Result<(), PipelineError> {
    let drawings = definition.steps().iter().filter(|step| matches!(step, Step::VisualizeDetections(_))).count();
    match drawings > MAX_DRAWINGS {
        true => Err(PipelineError::new(format!(
            "it has {drawings} visualize_detections steps, at most {MAX_DRAWINGS} are run"
        ))),
        false => Ok(()),
    }
}

/// Refuses steps that would store under one name, or where others keep their things.
fn check_places(definition: &Node) -> Result<(), PipelineError> {
    let mut taken = BTreeSet::new();
    for step in definition.steps() {
        let Step::UploadImage(settings) = step else { continue };
        let prefix = settings.dest_prefix.as_str();
        let first = prefix.split('/').next().unwrap_or_default();
        if RESERVED_FOLDERS.contains(&first) {
            return Err(PipelineError::new(format!("dest_prefix '{prefix}': the folder '{first}' is reserved")));
        }
        if !taken.insert(prefix) {
            return Err(PipelineError::new(format!("two upload_image steps store under the dest_prefix '{prefix}'")));
        }
    }
    Ok(())
}

impl From<DefinitionError> for ConfigError {
    fn from(error: DefinitionError) -> Self {
        match error {
            DefinitionError::Pipeline(error) => Self::Pipeline(error),
            DefinitionError::Field(error) => Self::Field(error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn check(definition: Value, settings: Value) -> Result<PipelineConfig, ConfigError> {
        let wish = json!({"pipeline_definition": definition, "settings": settings});
        let wish: PipelineWish = serde_json::from_str(&wish.to_string()).unwrap();
        PipelineConfig::check(wish, ConfidenceDefaults::default())
    }

    fn step(name: &str) -> Value {
        json!({"step": {"name": name}})
    }

    fn refusal(definition: Value) -> String {
        check(definition, json!({})).unwrap_err().to_string()
    }

    #[test]
    fn a_nested_pipeline_is_read_with_every_setting_written_out_and_reads_back() {
        let definition = json!({"chain": [
            step("segmentation"),
            {"chord": {"group": [step("detection"), {"chain": [step("sahi_detection"), step("size_calculator")]}],
                       "callback": step("aggregate_detections")}},
        ]});
        let config = check(definition, json!({"confidence_threshold": 0.25, "sahi_slice_width": 256})).unwrap();
        let steps = config.pipeline_definition.steps();
        let names: Vec<_> = steps.iter().map(|step| step.name()).collect();
        assert_eq!(names, ["segmentation", "detection", "sahi_detection", "size_calculator", "aggregate_detections"]);
        let Step::SahiDetection(tiles) = steps[2] else { panic!("{steps:?}") };
        assert_eq!((tiles.sahi_slice_width, tiles.sahi_slice_height), (256, 512));
        assert_eq!(tiles.find.confidence_threshold, 0.25);
        let slots: Vec<_> = config.pipeline_definition.slots().into_iter().map(|slot| slot.as_str()).collect();
        assert_eq!(slots, ["detect", "segment"]);
        let stored = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<PipelineConfig>(&stored).unwrap(), config);
    }

    #[test]
    fn an_unknown_step_at_any_depth_is_named_with_the_known_ones() {
        let deep = json!({"chain": [step("detection"), {"group": [{"chain": [step("fly")]}]}]});
        let text = refusal(deep);
        assert!(text.starts_with("Invalid pipeline: unknown step 'fly' at pipeline_definition.chain[1].group[0].chain[0].step; known steps: detection, "), "{text}");
    }

    #[test]
    fn kwargs_go_before_settings_and_settings_before_defaults() {
        let one =
            json!({"chain": [{"step": {"name": "detection", "kwargs": {"iou_threshold": 0.1}}}, step("detection")]});
        let config = check(one, json!({"iou_threshold": 0.2})).unwrap();
        let thresholds = config.pipeline_definition.steps().into_iter().map(|step| match step {
            Step::Detection(settings) => (settings.find.iou_threshold, settings.find.confidence_threshold),
            _ => (0.0, 0.0),
        });
        assert_eq!(thresholds.collect::<Vec<_>>(), [(0.1, 0.8), (0.2, 0.8)]);
    }

    #[test]
    fn a_bad_setting_is_named_by_its_path() {
        let kwargs = |kwargs| json!({"chain": [{"step": {"name": "detection", "kwargs": kwargs}}]});
        for (definition, settings, field) in [
            (kwargs(json!({"iou_threshold": 2})), json!({}), "pipeline_definition.chain[0].step.kwargs.iou_threshold"),
            (kwargs(json!({"zzz": 2})), json!({}), "pipeline_definition.chain[0].step.kwargs.zzz"),
            (kwargs(json!({})), json!({"max_detections": 0}), "settings.max_detections"),
            (kwargs(json!({})), json!({"max_detectons": 1}), "settings.max_detectons"),
            (
                json!({"chain": [step("species_distributor")]}),
                json!({}),
                "pipeline_definition.chain[0].step.kwargs.species",
            ),
        ] {
            match check(definition, settings) {
                Err(ConfigError::Field(error)) => assert_eq!(error.field, field),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        for (bad, part) in [
            (json!({"group": [step("detection")]}), "the root must be a chain, was a group"),
            (json!([]), "must be an object with one of the keys"),
            (json!({"chain": []}), "must be a list of at least one node"),
            (json!({"chain": [{"chain": [step("detection")], "group": []}]}), "chain[0] must be an object"),
            (json!({"chain": [{"leap": []}]}), "must be an object with one of the keys"),
            (json!({"chain": [{"chord": {"callback": step("detection")}}]}), "needs a group"),
            (json!({"chain": [{"step": {"kwargs": {}}}]}), "needs a name"),
            (json!({"chain": [{"step": {"name": "detection", "args": []}}]}), "no other keys than name, kwargs"),
            (json!({"chain": vec![step("size_calculator"); definition::MAX_STEPS + 1]}), "more than 64 steps"),
        ] {
            let text = refusal(bad);
            assert!(text.starts_with("Invalid pipeline: ") && text.contains(part), "{text}");
        }
        let upload = |prefix| json!({"step": {"name": "upload_image", "kwargs": {"dest_prefix": prefix}}});
        assert!(refusal(json!({"chain": [upload("a"), upload("b"), upload("a")]})).contains("the dest_prefix 'a'"));
        assert!(refusal(json!({"chain": [upload("media/x")]})).contains("'media' is reserved"));
        let drawings = vec![step("visualize_detections"); MAX_DRAWINGS + 1];
        assert!(refusal(json!({"chain": drawings})).contains("at most 2 are run"));
        let nested = (0..definition::MAX_DEPTH).fold(step("detection"), |inner, _| json!({"chain": [inner]}));
        assert!(refusal(nested).contains("nested deeper than 16 levels"));
    }
}
