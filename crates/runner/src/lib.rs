//! Runners: sandboxed processes in which everything of a tenant's is decoded, loaded and run; and the side of the
//! service that starts them, hands them work and survives their deaths.

pub mod answer;
pub mod child;
pub mod error;
pub mod settings;
pub mod supervisor;

pub use answer::{ModelFacts, ModelReport, ProfileSummary, Timings, Trial, VisionAnswer, VisionRequest};
pub use error::{MediaRefusal, RunnerError};
pub use settings::{DevicePolicy, Isolation, RunnerSettings, ValidationSettings};
pub use supervisor::{
    CacheInfo, CachedModel, CallContext, DeathCause, DeathCount, ModelKey, ModelSource, RunnerInfo, RunnerPool, SourceError,
};
