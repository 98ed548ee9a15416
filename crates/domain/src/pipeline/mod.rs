//! Pipelines: several steps over one picture, described as JSON, checked as a whole before any work.
//!
//! Flow: [`PipelineWish`] is what a client sends; [`PipelineConfig::check`] turns it into a tree of typed [`Step`]s with
//! every setting written out, which is stored with the task; the ML service walks the tree, hands [`Findings`] from step to
//! step, and at the end makes [`PipelineResultV1`] of them.
//!
//! Invariants: pure; a definition is bounded in depth, size and number of steps; what a step may be told stands in one
//! table ([`catalog::STEPS`]) that both the check and the published JSON Schema are made of; steps that only think
//! ([`think`]) live here, steps that look at pixels in the ML service.

pub mod catalog;
mod check;
mod config;
mod definition;
mod error;
mod findings;
mod merge;
pub mod overlap;
mod result;
mod setting;
mod step;
pub mod think;

pub use config::{PipelineConfig, PipelineWish};
pub use definition::{MAX_BYTES, MAX_DEPTH, MAX_STEPS, Node};
pub use error::PipelineError;
pub use findings::{Finding, Findings, FoundClasses, FoundObject, FoundSegment, ObjectSize};
pub use merge::merge;
pub use result::{
    ModelUsed, PipelineResultV1, ResultClasses, ResultDetection, ResultSegment, Results, StepReport, Uploaded,
};
pub use setting::{Kind, Setting};
pub use step::{
    ClassificationSettings, DetectionSettings, FilterType, FindSettings, ImageSource, NoSettings, SahiSettings,
    SegmentFilterSettings, SpeciesSettings, Step, UploadSettings, VisualizeSettings,
};
