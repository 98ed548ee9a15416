//! The one binary: every service by its name, everything at once by `up`, and a client for people and scripts.
//!
//! Flow: [`cli`] reads the command line; `main` hands a [`cli::ServiceCommand`] to the services' wiring and a
//! [`cli::ClientCommand`] to [`commands::run`]; either way the outcome goes through [`Terminal::finish`], which prints what
//! went wrong and picks the exit code.
//!
//! Invariants:
//! - The client side speaks HTTP and nothing else, through [`client::Client`]; it would work from another machine.
//! - Results go to standard output, progress and errors to standard error. Nothing but progress bars on a terminal writes
//!   control characters, also when a server or a model sends some ([`terminal::printable`]).
//! - A reader that closes the pipe ends a command quietly.

pub mod cli;
pub mod client;
pub mod commands;
pub mod demo;
pub mod failure;
pub mod picture_file;
pub mod progress;
pub mod terminal;

pub use failure::Failure;
pub use terminal::Terminal;
