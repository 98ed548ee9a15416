//! The ML service's contract, for whoever asks it directly: [`Inference`], implemented by the service itself in one
//! process and by [`HttpInference`] over the network.
//!
//! Tasks do not come this way; they go through `ml_jobs`. This way go short questions that a client waits for: what is in
//! this file, may this model be served, what is loaded, and what does this model say to these tensors. Tensors travel as
//! bytes ([`frame`]).
//!
//! Invariant: nobody on this side opens a media object or a model; the ML service's runners do.

mod contract;
pub mod frame;
mod http;
mod infer;
pub mod paths;

pub use contract::{
    AnnotatePicture, CheckModel, DeviceHealth, Inference, LoadedModel, MAX_FINDINGS_BYTES, MlHealth, MlHealthStatus,
    ModelCacheInfo, ModelReport, OfModel, ProbeMedia, RunnerInfo, TensorKind, TensorSpec, Unloaded,
};
pub use http::HttpInference;
pub use infer::{BatchClose, BatchReport, Batching, InferAnswer, InferRequest, ModelSignature, ModelStats, Spent};
pub use ortolan_domain::job::MlError;
pub use ortolan_domain::tensor::{Output, OutputValue};
