//! Puts the services together: everything in one process, or each in its own.
//!
//! Services never ask which profile they are in; they are handed ports, here.

pub mod embedded;
mod health;
mod observer;
mod operator;
mod parts;
pub mod presence;
pub mod production;
mod published;
mod reconcile;
pub mod runtime;
mod settings;
pub mod storage;
pub mod traces;
