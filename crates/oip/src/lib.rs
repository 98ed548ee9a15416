//! Named tensors as clients write and read them: JSON, and the binary tensor extension of the Open Inference Protocol.
//!
//! Flow of a request: [`decompress`] undoes the content encoding, [`Frame::split`] parts the JSON from the binary tail,
//! [`InferRequest::read`] makes tensors of both. Of an answer: [`InferResponse::write`] makes the JSON and leaves the tail in the
//! pieces in which it came. [`signature`] says whether inputs fit a model; [`data`] and [`render`] turn one tensor's JSON into bytes and back; plain predictions use them too.
//!
//! Invariants: no I/O; binary tensors are slices of the body, never copies; shape and byte count are checked before anything
//! else; every number of a client is bounded before memory is taken for it; 64-bit integers and floats survive exactly.

pub mod data;
mod decimal;
mod decompress;
mod elements;
mod error;
mod frame;
mod plain;
pub mod render;
mod request;
mod response;
pub mod signature;

pub use decompress::{Encoding, compress, decompress};
pub use error::OipError;
pub use frame::Frame;
pub use plain::outputs_json;
pub use request::{InferRequest, WantedOutput};
pub use response::{InferResponse, NamedOutput, WrittenResponse};

/// The most axes that a tensor may have.
pub const MAX_RANK: usize = 32;
/// The most inputs or outputs that a request may name.
pub const MAX_TENSORS: usize = 1_024;
/// The longest name or request id, in bytes.
pub const MAX_NAME_BYTES: usize = 4_096;
