//! Runners: sandboxed processes in which everything of a tenant's is decoded, loaded and run; and the side of the
//! service that starts them, hands them work and survives their deaths.

pub mod answer;
pub mod child;
pub mod error;
pub mod scan;
pub mod settings;
pub mod supervisor;
mod wire;
mod work;

pub use answer::{ModelFacts, ModelReport, ProfileSummary, Tensor, Timings, Trial, VisionAnswer, VisionRequest};
pub use error::{MediaRefusal, RunnerError};
pub use ortolan_engine::{Device, Dimension, ElementType, Signature, TensorSpec as TensorSignature};
pub use settings::{DevicePolicy, Isolation, RunnerSettings, ValidationSettings};
pub use supervisor::{
    CacheInfo, CachedModel, CallContext, DeathCause, DeathCount, ModelKey, ModelSource, RunnerInfo, RunnerPool,
    SourceError, TensorModelKey,
};
