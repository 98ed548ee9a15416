//! Runners: sandboxed processes in which everything of a tenant's is decoded, loaded and run; and the side of the service
//! that starts them, hands them work and survives their deaths.
//!
//! Flow: [`RunnerPool::vision`] finds the loaded model, or has it loaded once; the call goes into a slot of the memory
//! that service and runner share; a worker of the runner decodes, prepares, takes a session, runs and interprets; the
//! answer comes back in the same slot, is copied once and checked. An uploaded model is first scanned
//! ([`scan`]) and tried in a runner of its own ([`RunnerPool::validate_model`]).
//!
//! Invariants:
//! - Nothing of a tenant's is parsed in the service's process, except by the scan, which runs no library on it.
//! - A runner shuts itself in ([`child::sandbox`]) before it sees the first such byte.
//! - The service believes nothing a runner writes: lengths, shapes, ids, JSON and numbers are checked on a private copy;
//!   an answer that nobody waits for ends the runner.
//! - A call that is cancelled, late or dropped holds its slot and its permit until the runner has let go of it, which is
//!   at worst the grace later, when the runner is killed.
//! - A death fails only the calls of its runner. The next call finds a new one.
//! - No text of the runtime and no path reaches a caller.

pub mod answer;
pub mod child;
pub mod error;
pub mod scan;
pub mod settings;
pub mod supervisor;
mod wire;
mod work;

pub use answer::{
    Area, InferAnswer, MAX_CROPS, ModelFacts, ModelReport, ProfileSummary, Timings, Trial, VisionAnswer, VisionRequest,
};
pub use error::{MediaRefusal, RunnerError};
pub use ortolan_engine::{Device, Dimension, Signature, TensorSpec as TensorSignature, ValueKind};
pub use settings::{DevicePolicy, Isolation, RunnerSettings, SLOTS_FOR_RIDERS, ValidationSettings};
pub use supervisor::{
    CacheInfo, CachedModel, CallContext, CheckedInputs, DeathCause, DeathCount, HeldPicture, Loaded, ModelKey,
    ModelSource, ReadyPicture, Rider, RunnerInfo, RunnerPool, SourceError, Trip, Waiting,
};
