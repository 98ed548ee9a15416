//! The API as its clients see it: requests against the whole application over a real SQLite database, real queues and
//! signals inside of the process, and a real local object store. Only the ML service is a double behind its port.
#![allow(clippy::unwrap_used)]

mod annotated;
mod authorisation;
mod edge;
mod events;
mod jobs;
mod keys;
mod media;
mod model_cache;
mod model_files;
mod models;
mod openapi;
mod predictions;
mod process;
mod promotion;
mod protocol;
mod quarantine;
mod rates;
mod slots;
mod submit;
mod support;
mod task_moves;
mod tasks;
mod tenants;
mod uploads;
