//! What is done because tasks have ended.

pub mod list;
pub mod redeliver;
mod view;
