//! The service's side: starts runners, hands them work, doubts their answers and survives their deaths.

mod ahead;
mod burst;
mod calls;
mod context;
mod deaths;
mod doubt;
mod exchange;
mod groups;
mod held;
mod host;
mod info;
mod loaded;
mod local;
mod log;
mod models;
mod pool;
mod process;
mod source;
mod spawn;
mod tensors;
mod validate;

pub use ahead::ReadyPicture;
pub use burst::Trip;
pub use context::CallContext;
pub use deaths::{DeathCause, DeathCount};
pub use held::HeldPicture;
pub use info::{CacheInfo, CachedModel, RunnerInfo};
pub use loaded::{CheckedInputs, Loaded, Rider, Waiting};
pub use pool::RunnerPool;
pub use source::{ModelKey, ModelSource, SourceError};
