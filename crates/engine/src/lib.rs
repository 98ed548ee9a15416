//! ONNX sessions: open the runtime, load a model, look at it, run it, stop it.
//!
//! Flow: [`Engine::open`] loads the runtime's shared library once; [`Engine::load`] turns a model's bytes into a
//! [`Session`]; [`Session::signature`] and [`Session::metadata`] say what it takes and gives; [`Session::run`] runs it
//! with a fresh [`RunControl`], which another thread may use to stop it.
//!
//! Invariants:
//! - This crate alone knows the `ort` crate; nothing of it appears in a public type.
//! - No text of the runtime reaches a caller: it may hold paths and source lines. It goes to the log, and the caller gets
//!   an [`EngineError`] in our own words.
//! - Inputs are borrowed and never copied (unless misaligned); outputs are views of the runtime's memory.
//! - Nothing here protects the process: a model can crash or hang it. Loading and running what nobody vouches for
//!   belongs into a process of its own.

mod device;
mod element;
mod engine;
mod error;
mod gpus;
mod metadata;
mod output;
mod session;
mod signature;
mod strings;
mod tensor;

pub use device::Device;
pub use engine::{Engine, Optimization, SessionOptions};
pub use error::EngineError;
pub use gpus::{GpuFacts, Gpus};
pub use metadata::Metadata;
pub use ortolan_domain::tensor::Datatype;
pub use output::OutputView;
pub use session::{Outputs, RunControl, Session};
pub use signature::{Dimension, Signature, TensorSpec, ValueKind};
pub use tensor::TensorView;
