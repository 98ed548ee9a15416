//! The HTTP API: REST under `/api/v1`, its reference under `/docs`.
//!
//! Flow: [`router`] puts the edge (request id, log, problem documents) around the handlers. A handler names what it needs in
//! its signature: who asks ([`auth`]), which thing, which body; it loads, checks, acts in one call of the store, and answers.
//! Uploads are streamed to the object store and looked at by the ML service before they become anything.
//!
//! Invariants: nothing of a tenant's is decoded or run here; another tenant's thing is indistinguishable from none; every
//! refusal is a problem document from the one table of error codes; nothing of the inside (paths, SQL, causes) is in an answer;
//! whatever a client can make us hold is bounded.

// The derives and attributes of utoipa qualify names that need not be.
#![allow(unused_qualifications)]

pub mod assemble;
pub mod auth;
mod cache;
mod error;
mod extract;
mod health;
mod jobs;
mod keys;
mod limits;
mod me;
mod media;
mod middleware;
mod model_cache;
mod models;
mod openapi;
mod page;
mod pages;
mod pipelines;
mod predict;
mod predictions;
mod quarantine;
mod rates;
mod recent;
mod reconcile;
mod router;
mod settings;
mod slots;
mod state;
mod tasks;
mod tenants;
mod upload;
mod v2;
mod webhook_secret;

pub use rates::Rates;
pub use reconcile::{Reconcile, ReconcileStats};
pub use router::{openapi_json, router};
pub use settings::ApiSettings;
pub use state::{ApiParts, ApiState};
