//! A client of the HTTP API.
//!
//! Flow: [`Target::resolve`] finds the server and the key; [`Client`] sends one request per method and gives a typed answer
//! or a [`ClientError`] that knows the server's problem document; [`Client::follow`] waits for a task's end.
//!
//! Answers keep the fields that this version does not know, so that `--json` shows what the server said.

mod connect;
mod error;
mod events;
mod follow;
mod models;
mod pages;
mod target;
mod tasks;
mod tenants;
mod upload;
mod views;

pub use connect::Client;
pub use error::{ClientError, FieldProblem, Refusal};
pub use models::{Model, ModelFilter, ModelPage, NewModel, Port, Prediction, Question};
pub use target::{Target, keep_key, keep_url, kept_key};
pub use tasks::{NewTask, TaskFilter};
pub use upload::{Sent, Upload};
pub use views::{Artifact, Key, Me, Slot, Task, TaskError, TaskPage, TaskSignal, Tenant};
