//! Why a model, an option or an output is refused; every text may be shown to the model's owner.

use thiserror::Error;

use crate::{options::MAX_DETECTIONS, profile::VisionTask};

/// Says why a model file does not fit the slot that it is meant for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The metadata names another task.
    #[error("the {slot} slot needs a model for {wanted}, the file says its task is \"{found}\"")]
    Task {
        /// The slot.
        slot: VisionTask,
        /// The tasks that the slot takes.
        wanted: &'static str,
        /// What the metadata says, cut and cleaned for display.
        found: String,
    },
    /// The inputs have the wrong count, type or shape.
    #[error("the {slot} slot needs one input of float [1, 3, height, width], the file has {found}")]
    Input {
        /// The slot.
        slot: VisionTask,
        /// What the file has.
        found: String,
    },
    /// The outputs have the wrong count, type or shape.
    #[error("the {slot} slot needs {wanted}, the file has {found}")]
    Output {
        /// The slot.
        slot: VisionTask,
        /// The outputs that would fit.
        wanted: String,
        /// What the file has.
        found: String,
    },
    /// A metadata entry cannot be read or is out of range.
    #[error("metadata \"{key}\" {problem}")]
    Metadata {
        /// The entry's key.
        key: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// Says which option is wrong.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// A threshold is no number from 0 to 1.
    #[error("{field} must be a number from 0 to 1, not {value}")]
    Threshold {
        /// The option's name.
        field: &'static str,
        /// What was given.
        value: f32,
    },
    /// The number of detections is out of range.
    #[error("max_detections must be from 1 to {MAX_DETECTIONS}, not {value}")]
    MaxDetections {
        /// What was given.
        value: usize,
    },
    /// A classification was asked for no class at all.
    #[error("top_k must be at least 1")]
    TopK,
    /// The model has no class of that name.
    #[error("classes: the model has no class named \"{name}\"")]
    UnknownClassName {
        /// The name that was asked for.
        name: String,
    },
    /// The model has no class of that number.
    #[error("classes: the model has no class {id}, its classes are 0 to {last}")]
    UnknownClassId {
        /// The number that was asked for.
        id: u32,
        /// The model's last class.
        last: usize,
    },
    /// The input size is out of range for the model.
    #[error("image_size: {problem}")]
    ImageSize {
        /// What is wrong with it.
        problem: String,
    },
}

/// Says why a run's outputs could not be read.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum InterpretError {
    /// An option is wrong.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// An output has another shape than the file declared.
    #[error("the model answered with {found}, expected {wanted}")]
    Shape {
        /// What the model gave.
        found: String,
        /// What would fit.
        wanted: String,
    },
    /// The masks are noise and would take too much to write down.
    #[error("the masks of one picture may have {max_runs} runs together, these have more")]
    MasksTooDetailed {
        /// The limit.
        max_runs: usize,
    },
    /// The framing belongs to a picture that was prepared for another kind of model.
    #[error("the framing was made for another kind of model")]
    Framing,
}
