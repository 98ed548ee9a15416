//! The tree of a pipeline, and the way from JSON to it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::PipelineError;
use super::step::Step;
use crate::error::FieldError;
use crate::slot::Slot;

/// Most levels of nodes inside of each other, the root and the steps included.
pub const MAX_DEPTH: usize = 16;
/// Most steps of one pipeline.
pub const MAX_STEPS: usize = 64;
/// Most bytes of a definition as JSON.
pub const MAX_BYTES: usize = 64 * 1024;

/// A part of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Node {
    /// One after the other, each with what the one before found.
    Chain(Vec<Node>),
    /// All at once, each with the same input; what they find is put together.
    Group(Vec<Node>),
    /// A group, and then something that works on all that it found.
    Chord {
        /// The group's branches.
        group: Vec<Node>,
        /// What comes after them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        callback: Option<Box<Node>>,
    },
    /// A step.
    Step(Step),
}

/// A pipeline that cannot be run: as a whole, or because of one setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DefinitionError {
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    #[error(transparent)]
    Field(#[from] FieldError),
}

/// Makes a step of its name and kwargs at a path.
pub(super) type MakeStep<'a> = dyn Fn(&str, &str, &Map<String, Value>) -> Result<Step, DefinitionError> + 'a;

impl Node {
    /// The steps in the order in which they are written.
    pub fn steps(&self) -> Vec<&Step> {
        match self {
            Self::Step(step) => vec![step],
            Self::Chain(nodes) | Self::Group(nodes) => nodes.iter().flat_map(Self::steps).collect(),
            Self::Chord { group, callback } => group.iter().chain(callback.as_deref()).flat_map(Self::steps).collect(),
        }
    }

    /// The model slots that the steps need.
    pub fn slots(&self) -> BTreeSet<Slot> {
        self.steps().into_iter().filter_map(Step::slot).collect()
    }

    /// The word that the node is written with.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Chain(_) => "chain",
            Self::Group(_) => "group",
            Self::Chord { .. } => "chord",
            Self::Step(_) => "step",
        }
    }
}

/// Reads a definition: first its shape and the names of all steps, then the settings of each.
pub(super) fn parse(path: &str, json: &Value, make: &MakeStep<'_>) -> Result<Node, DefinitionError> {
    let mut parser = Parser { steps_left: MAX_STEPS, make };
    let root = parser.node(path, json, MAX_DEPTH)?;
    match root {
        Node::Chain(_) => Ok(root),
        other => Err(PipelineError::new(format!("the root must be a chain, was a {}", other.word())).into()),
    }
}

struct Parser<'a> {
    steps_left: usize,
    make: &'a MakeStep<'a>,
}

const SHAPE: &str = "must be an object with one of the keys chain, group, chord and step";

impl Parser<'_> {
    fn node(&mut self, path: &str, json: &Value, depth_left: usize) -> Result<Node, DefinitionError> {
        if depth_left == 0 {
            return Err(PipelineError::new(format!("it is nested deeper than {MAX_DEPTH} levels")).into());
        }
        let Some((key, inner)) = json.as_object().and_then(only_entry) else {
            return Err(PipelineError::at(path, SHAPE).into());
        };
        let path = format!("{path}.{key}");
        match key {
            "chain" => Ok(Node::Chain(self.list(&path, inner, depth_left)?)),
            "group" => Ok(Node::Group(self.list(&path, inner, depth_left)?)),
            "chord" => self.chord(&path, inner, depth_left),
            "step" => self.step(&path, inner),
            _ => Err(PipelineError::at(&path, SHAPE).into()),
        }
    }

    fn list(&mut self, path: &str, json: &Value, depth_left: usize) -> Result<Vec<Node>, DefinitionError> {
        match json.as_array() {
            Some(nodes) if !nodes.is_empty() => {
                let node = |(index, node)| self.node(&format!("{path}[{index}]"), node, depth_left - 1);
                nodes.iter().enumerate().map(node).collect()
            }
            _ => Err(PipelineError::at(path, "must be a list of at least one node").into()),
        }
    }

    fn chord(&mut self, path: &str, json: &Value, depth_left: usize) -> Result<Node, DefinitionError> {
        let fields = self.fields(path, json, &["group", "callback"])?;
        let Some(group) = fields.get("group") else {
            return Err(PipelineError::at(path, "needs a group").into());
        };
        let group = self.list(&format!("{path}.group"), group, depth_left)?;
        let callback = fields.get("callback").filter(|callback| !callback.is_null());
        let callback =
            callback.map(|callback| self.node(&format!("{path}.callback"), callback, depth_left - 1)).transpose()?;
        Ok(Node::Chord { group, callback: callback.map(Box::new) })
    }

    fn step(&mut self, path: &str, json: &Value) -> Result<Node, DefinitionError> {
        self.steps_left = self
            .steps_left
            .checked_sub(1)
            .ok_or_else(|| PipelineError::new(format!("it has more than {MAX_STEPS} steps")))?;
        let fields = self.fields(path, json, &["name", "kwargs"])?;
        let Some(name) = fields.get("name").and_then(Value::as_str) else {
            return Err(PipelineError::at(path, "needs a name").into());
        };
        let none = Map::new();
        let kwargs = match fields.get("kwargs") {
            None | Some(Value::Null) => &none,
            Some(Value::Object(kwargs)) => kwargs,
            Some(_) => return Err(PipelineError::at(path, "has kwargs that are no object").into()),
        };
        Ok(Node::Step((self.make)(path, name, kwargs)?))
    }

    fn fields<'v>(
        &self,
        path: &str,
        json: &'v Value,
        known: &[&str],
    ) -> Result<&'v Map<String, Value>, DefinitionError> {
        let shape =
            || PipelineError::at(path, format!("must be an object with no other keys than {}", known.join(", ")));
        let fields = json.as_object().ok_or_else(shape)?;
        if fields.keys().all(|key| known.contains(&key.as_str())) { Ok(fields) } else { Err(shape().into()) }
    }
}

fn only_entry(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut entries = object.iter();
    match (entries.next(), entries.next()) {
        (Some((key, value)), None) => Some((key, value)),
        _ => None,
    }
}
