//! Results, signals and caches on Redis, over fred.
//!
//! A few clients carry commands and one hears signals. All connect in the background and for ever, so a server that is down
//! keeps no service from starting; meanwhile commands fail within [`RedisSettings::answer_limit`], and caches are passed over
//! at once ([`breaker`]).

mod breaker;
mod cache;
mod connection;
mod numbers;
mod results;
mod signals;

pub use connection::{Redis, RedisSettings};
pub use signals::Hears;
