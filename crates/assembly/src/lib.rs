//! What the processes of services are put together from: ports out of the one configuration, and a program around a service.
//!
//! Flow: [`program::main`] reads the command line, loads the configuration and prepares the [`program::Process`]; the service's
//! `assemble` module takes [`Ports`] and, where it has a database, a [`Truth`] and runs until the process is told to stop.
//!
//! Invariants: services never ask which profile they are in, they are handed ports, here; what only some services have is behind
//! a feature of this crate, so that the program of a service links nothing that it does not use.

#[cfg(feature = "http")]
pub mod checks;
#[cfg(feature = "truth")]
mod observer;
mod ports;
#[cfg(feature = "truth")]
pub mod presence;
pub mod program;
#[cfg(feature = "truth")]
pub mod published;
pub mod settings;
#[cfg(feature = "storage")]
pub mod storage;
mod traces;
#[cfg(feature = "truth")]
mod truth;

#[cfg(feature = "truth")]
pub use observer::{ChangeRelay, Deaf};
pub use ports::{Ports, host};
pub use traces::Traces;
#[cfg(feature = "truth")]
pub use truth::Truth;
