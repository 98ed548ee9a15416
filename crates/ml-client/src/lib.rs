//! The ML service's contract, for whoever asks it directly: [`Inference`], implemented by the service itself in one
//! process and by [`HttpInference`] over the network.
//!
//! Tasks do not come this way; they go through `ml_jobs`. This way go short questions that a client waits for: what is in
//! this file, may this model be served, what is loaded.
//!
//! Invariant: nobody on this side opens a media object or a model; the ML service's runners do.

mod contract;
mod http;
pub mod paths;

pub use contract::{
    CheckModel, DeviceHealth, Inference, LoadedModel, MlHealth, MlHealthStatus, ModelCacheInfo, ModelReport,
    ProbeMedia, RunnerInfo, TensorSpec,
};
pub use http::HttpInference;
pub use ortolan_domain::job::MlError;
