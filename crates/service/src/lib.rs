//! What every process of Ortolan shares: configuration, logs and metrics, health, serving HTTP, and how to stop.
//!
//! Flow: a binary loads its [`Config`], calls [`telemetry::init`], makes a [`Shutdown`] that listens for signals,
//! registers its [`health`] checks, and serves its routes with [`serve`](crate::serve::serve) until it is told to stop.
//!
//! Invariants: a configuration with an unknown key or an impossible value is refused before anything starts; a secret is
//! never shown, neither in errors nor in the effective configuration; one event is one log line, whatever it contains; no
//! metric has a tenant's name as a label; a check of health answers within a second; the second signal ends the process
//! at once.
//!
//! The feature `http` (on by default) holds what needs axum and hyper. A process without HTTP leaves it off.

pub mod config;
pub mod health;
#[cfg(feature = "http")]
pub mod serve;
pub mod shutdown;
pub mod telemetry;

pub use config::{Config, ConfigError};
pub use shutdown::Shutdown;
