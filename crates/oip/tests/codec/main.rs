//! Requests and answers come back as they were, whatever they hold; hostile ones are refused within bounds.
#![allow(clippy::unwrap_used)]

mod hostile;
mod round_trips;
