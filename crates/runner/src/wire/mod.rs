//! How service and runner talk: packets on a socket to command, a shared segment to carry calls and answers.

pub(crate) mod message;
pub(crate) mod packet;
pub(crate) mod protocol;
pub(crate) mod queue;
pub(crate) mod segment;
