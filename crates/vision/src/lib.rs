//! Turns pictures into a vision model's input, and the model's output into boxes, masks and classes.
//!
//! Flow: [`ModelProfile::read`] learns from a file's shapes and metadata which layout its outputs have;
//! [`ModelProfile::prepare`] resizes and packs a picture; the caller runs the model; [`ModelProfile::interpret`] reads
//! the outputs with the [`Framing`] that preparing returned. Large pictures are looked at tile by tile:
//! [`TilingOptions::tiles`] cuts, a [`Gatherer`] merges what the tiles gave. [`draw`] shows results in their picture.
//!
//! Invariants:
//! - Pure: no file, no clock, no thread, no codec, no runtime.
//! - Nothing is decided by a constant that the model's own shapes or metadata can decide.
//! - The arithmetic follows the reference programs bit for bit where they work in integers (resizing), and in the same
//!   order of operations where they work in floats.
//! - No input panics: shapes, metadata and tensor values are hostile. What is not finite never leaves this crate.
//! - Memory is bounded by the picture, the model's declared sizes (checked against [`ProfileError`]) and the caps on
//!   candidates and detections.

pub mod draw;
mod error;
mod geometry;
mod interpret;
mod options;
mod output;
mod picture;
mod prepare;
mod profile;
mod tensor;
mod tiling;

pub use error::{InterpretError, OptionsError, ProfileError};
pub use geometry::{Framing, Letterbox, Size};
pub use options::{MAX_DETECTIONS, MaskSize, VisionOptions};
/// Words that tasks are told in, and models looked at with.
pub use ortolan_domain::config::{ClassRef, ImageSize, MatchMetric, Merge};
pub use output::{
    BoundingBox, Classification, Detection, Keypoint, MaskRle, OrientedDetection, Point, PoseDetection, Prediction,
    Segment, VisionOutput,
};
pub use picture::{PictureError, PictureView, PixelRegion, RgbImage};
pub use profile::{ModelProfile, VisionTask};
pub use tensor::{ElementType, InputTensor, OutputData, OutputView, Prepared, TensorData, TensorFacts};
pub use tiling::{Gatherer, MAX_TILES, TilingError, TilingOptions};
