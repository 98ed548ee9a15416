//! The words of Ortolan: identifiers, tasks and their legal moves, jobs and routes, media, slots, artifacts, provenance
//! and error codes.
//!
//! Flow: the API turns a request into a [`task::NewTask`]; dispatch turns the row into a [`job::Delivery`]; a worker
//! turns that into a [`job::MlJob`]; the ML service answers with a [`job::MlResult`]; the worker turns each of its items
//! into an [`artifact::Artifact`]. What is checked at an edge is carried on as a type.
//!
//! Invariants: nothing here does I/O or reads a clock by itself; status words and legal moves stand in one table each
//! ([`task::TRANSITIONS`], [`model::MODEL_MOVES`]); an error code, its HTTP status and whether it may be tried again stand in one table
//! ([`error::ErrorCode`]).

pub mod artifact;
pub mod config;
pub mod error;
pub mod hash;
pub mod id;
pub mod invariant;
pub mod job;
pub mod media;
pub mod model;
pub mod origin;
pub mod pipeline;
pub mod prediction;
pub mod route;
pub mod slot;
pub mod task;
pub mod tenant;
pub mod tensor;
pub mod time;

pub use error::{ErrorCode, FieldError, Problem};
pub use id::{ArtifactId, KeyId, MediaId, ModelId, PredictionId, RunId, TaskId, TenantId, VideoId};
pub use origin::{Origin, TraceContext};
pub use slot::Slot;
pub use task::{Priority, Task, TaskStatus, TaskType};
pub use tenant::{Scope, Scopes, TenantSlug};
pub use time::{Clock, ManualClock, SystemClock, Timestamp};
