//! From a step's name and kwargs to the step, with the request's settings and the defaults filled in.

use serde_json::{Map, Value, json};

use super::catalog::{self, StepSpec};
use super::definition::DefinitionError;
use super::error::PipelineError;
use super::setting::Fallback;
use super::step::Step;
use crate::config::ConfidenceDefaults;
use crate::error::FieldError;

/// What is true for all steps of a pipeline.
pub(super) struct Common<'a> {
    /// The request's own settings: for every step that has one of the name and is not told otherwise.
    pub(super) settings: &'a Map<String, Value>,
    /// The installation's thresholds.
    pub(super) defaults: ConfidenceDefaults,
}

impl Common<'_> {
    /// Refuses settings that no step has.
    pub(super) fn check_names(&self) -> Result<(), FieldError> {
        match self.settings.keys().find(|name| !catalog::is_setting(name)) {
            Some(name) => Err(FieldError::new(format!("settings.{name}"), "no step has a setting of this name")),
            None => Ok(()),
        }
    }

    /// The step of a name.
    pub(super) fn step(&self, path: &str, name: &str, kwargs: &Map<String, Value>) -> Result<Step, DefinitionError> {
        let spec = catalog::find(name).ok_or_else(|| PipelineError::unknown_step(path, name, &catalog::names()))?;
        if let Some(unknown) = kwargs.keys().find(|key| spec.settings.iter().all(|setting| setting.name != *key)) {
            return Err(FieldError::new(format!("{path}.kwargs.{unknown}"), no_such_setting(spec)).into());
        }
        let kwargs = self.fill(path, spec, kwargs)?;
        serde_json::from_value(json!({"name": spec.name, "kwargs": kwargs}))
            .map_err(|error| FieldError::new(format!("{path}.kwargs"), error.to_string()).into())
    }

    fn fill(&self, path: &str, spec: &StepSpec, kwargs: &Map<String, Value>) -> Result<Map<String, Value>, FieldError> {
        let mut filled = Map::new();
        for setting in spec.settings {
            let given = kwargs.get(setting.name).map(|value| (value, format!("{path}.kwargs.{}", setting.name)));
            let shared = || self.settings.get(setting.name).map(|value| (value, format!("settings.{}", setting.name)));
            let value = match given.or_else(shared) {
                Some((value, field)) => {
                    setting.kind.check(value).map_err(|reason| FieldError::new(field, reason))?;
                    Some(value.clone())
                }
                None if matches!(setting.fallback, Fallback::Required) => {
                    let field = format!("{path}.kwargs.{}", setting.name);
                    return Err(FieldError::new(field, format!("is needed: {}", setting.about)));
                }
                None => setting.default_value(self.defaults),
            };
            filled.extend(value.map(|value| (setting.name.to_owned(), value)));
        }
        Ok(filled)
    }
}

fn no_such_setting(spec: &StepSpec) -> String {
    let known: Vec<_> = spec.settings.iter().map(|setting| setting.name).collect();
    match known.is_empty() {
        true => format!("the step {} has no settings", spec.name),
        false => format!("the step {} has no such setting; it has {}", spec.name, known.join(", ")),
    }
}
