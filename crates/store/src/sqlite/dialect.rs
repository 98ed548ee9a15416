//! What SQLite says differently. Its write transactions begin `IMMEDIATE` and run one at a time, so rows need no locks.

use ortolan_domain::route::QueueName;

use crate::StoreError;
use crate::statement::Places;

pub(super) type Db = sqlx::Sqlite;
pub(super) type Connection = sqlx::SqliteConnection;
pub(super) type Row = sqlx::sqlite::SqliteRow;
pub(super) type Arguments = sqlx::sqlite::SqliteArguments;

/// How places of values are written in statements over many rows.
pub(super) const PLACES: Places = Places::Plain;

/// Takes the write lock at once, so that no transaction has to give up half way.
pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";

/// Returns at once: a batch costs little beside its writes, so there is nothing to gain.
pub(super) async fn let_others_go_first() {}

/// Locks the chosen rows and leaves out those that another transaction has locked.
macro_rules! skip_locked {
    () => {
        ""
    };
}

/// Locks the rows of `tasks` that were read.
macro_rules! for_update {
    () => {
        ""
    };
}

/// Names the index of the rows in flight after `tasks`. Without it SQLite may walk over all rows that a tenant ever had.
macro_rules! in_flight_index {
    () => {
        " INDEXED BY tasks_in_flight"
    };
}

/// The first due rows, no more than a share, of each tenant in `in_flight` and each priority: an index range each.
macro_rules! first_of_each_tenant {
    () => {
        "in_flight CROSS JOIN priorities CROSS JOIN tasks AS first ON first.id IN (
            SELECT id FROM tasks
            WHERE status = 'pending' AND queue = $1 AND tenant_id = in_flight.tenant_id
                AND priority = priorities.priority AND run_at <= $2
                AND (expires_at IS NULL OR expires_at > $2 OR started_at IS NOT NULL)
            ORDER BY run_at, id LIMIT (SELECT size FROM share))"
    };
}

/// Dispatch needs no transaction, as nobody else dispatches, and each question is answered in this process.
pub(super) use super::sql::look_then_move as look_and_move;

/// Nothing to do: there is one writer.
pub(super) async fn one_dispatcher(_: &mut Connection, _: QueueName) -> Result<(), StoreError> {
    Ok(())
}
