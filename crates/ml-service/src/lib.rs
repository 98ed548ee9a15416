//! The ML service: takes `ml_jobs`, waits for a tenant's turn and a device permit, lets the tenant's runner decode, infer
//! and interpret, stamps provenance on what comes back and stores it under `ml_result:{task_id}:{attempt}`.
//!
//! Flow of a job: [`MlService::run`] consumes `ml_jobs` -> `job` takes each attempt once -> `picture` fetches the bytes and
//! the model (the `catalog`), passes the [`FairGate`] and asks the runner pool -> the answer is stamped and stored.
//! Short questions (what is this file, may this model be served) come through [`Inference`](ortolan_ml_client::Inference), in
//! process or over the internal HTTP of `http`.
//!
//! Invariants: no database; nothing of a tenant's is parsed in this process; at most `gpu_concurrency` runs per device,
//! and a permit comes back when the runner has let go of the call, however it ends; a tenant waits for its turn, not for
//! another tenant's queue.

mod annotate;
pub mod assemble;
mod batch;
mod burst;
mod catalog;
mod convert;
mod endpoints;
mod gate;
mod gpus;
pub mod http;
mod infer;
mod inference;
mod job;
mod job_tensors;
mod observe;
mod picture;
mod pipeline;
mod preload;
mod progress;
mod service;
mod stats;
mod trace;

pub use batch::BatchPolicy;
pub use endpoints::infer_endpoints;
pub use gate::{FairGate, Full, GateFacts, Permit};
pub use preload::PreloadError;
pub use service::{MlService, MlServiceParts, MlServiceSettings};
