//! Requests to addresses that a tenant chose: webhooks that are told of a task's end, and pictures that are fetched.
//!
//! Flow: [`Outbound`] looks at the address, resolves its host by itself, leaves out every address that it must not go to, and
//! connects to one of those that it has looked at; a redirect goes through the same again. [`Secret`] signs what is sent as
//! the Standard Webhooks specification asks.
//!
//! Invariants: between the look at an address and the connection nothing is resolved again; no proxy of the environment is
//! used, which would resolve for itself; answers are bounded in size and time; no text of the other side, and no address that
//! a name led to, is part of an error.

mod address;
mod client;
mod error;
mod resolver;
mod signature;

pub use address::AddressPolicy;
pub use client::{ByteStream, Outbound, check_address};
pub use error::OutboundError;
pub use signature::{NoRandomness, Secret, SecretError};
