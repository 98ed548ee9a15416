//! Results, signals and caches on Redis, over fred.
//!
//! One client carries commands and one hears signals. Both connect in the background and for ever, so a server that is
//! down keeps no service from starting; meanwhile commands fail within [`connection::ANSWER_LIMIT`].

mod cache;
mod connection;
mod numbers;
mod results;
mod signals;

pub use connection::Redis;
