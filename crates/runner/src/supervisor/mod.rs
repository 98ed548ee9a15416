//! The service's side: starts runners, hands them work, doubts their answers and survives their deaths.

mod context;
mod pool;
mod source;

pub use context::CallContext;
pub use pool::{CacheInfo, CachedModel, DeathCause, DeathCount, RunnerInfo, RunnerPool};
pub use source::{ModelKey, ModelSource, SourceError};
