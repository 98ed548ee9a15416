//! The SQL of the store, written once. Each dialect's module mounts this folder beside its own `dialect`, which says what
//! a connection is and holds the few words that differ.

mod artifacts;
mod batch;
mod binder;
mod dispatch;
mod keys;
mod lane;
mod lists;
mod media;
mod ports;
mod reader;
mod runs;
mod slots;
mod steer;
mod submit;
mod tasks;
mod tenants;
mod upkeep;

pub(super) use batch::Batch;
pub(super) use lane::Lane;

use super::dialect::{self, Arguments, Connection, Row};
