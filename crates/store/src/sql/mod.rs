//! The SQL of the store, written once. Each dialect's module mounts this folder beside its own `dialect`, which says what
//! a connection is and holds the few words that differ.

mod artifacts;
mod batch;
mod binder;
mod callback_ports;
mod callbacks;
mod dispatch;
mod kept;
mod keys;
mod lane;
mod lists;
mod looks;
mod media;
mod model_moves;
mod model_ports;
mod models;
mod once;
mod ports;
mod predictions;
mod processes;
mod quarantine;
mod reader;
mod runs;
mod slots;
mod soundness;
mod steer;
mod submit;
mod tasks;
mod tenants;
mod upkeep;

pub(super) use batch::Batch;
#[allow(unused_imports, reason = "for dialects that look and move in one question")]
pub(super) use dispatch::{CHOOSE, Dispatch, Filled, MOVE_GIVEN, look_then_move, read_filled};
#[allow(unused_imports, reason = "for dialects whose lanes share a pool")]
pub(super) use kept::Kept;
pub(super) use lane::Lane;
pub(super) use looks::Looks;

use super::dialect::{self, Arguments, Connection, Row};

/// The statements that must be fast with millions of rows, in the smallest and the largest size.
#[cfg(test)]
#[allow(dead_code)]
pub(super) fn frequent_statements() -> Vec<String> {
    let many = [
        &looks::LOOK,
        &dispatch::MOVE,
        &dispatch::UNDO,
        &upkeep::TAKE_BACK_LOST,
        &runs::CLAIM,
        &runs::HEARTBEAT,
        &runs::COMPLETE,
        &runs::FAIL,
        &callbacks::ARM,
    ];
    let many = many
        .into_iter()
        .flat_map(|statement| [statement.text(1, dialect::PLACES).0, statement.text(64, dialect::PLACES).0]);
    let single = [
        CHOOSE,
        steer::LOOK,
        steer::CANCEL,
        steer::RETRY,
        upkeep::LOSE_LEASES,
        upkeep::QUEUED_BEFORE,
        upkeep::EXPIRE,
        upkeep::DELETE_ENDED,
        callbacks::CLAIM,
        callbacks::OWED,
        lists::GET,
        lists::DEPTHS,
        lists::OPEN_TASKS,
        soundness::OF_LATE,
    ];
    many.map(|text| text.to_string()).chain(single.map(str::to_owned)).collect()
}
