//! What PostgreSQL says differently.

use ortolan_domain::route::QueueName;
use sqlx::AssertSqlSafe;

use crate::StoreError;
use crate::statement::Places;

pub(super) type Db = sqlx::Postgres;
pub(super) type Connection = sqlx::PgConnection;
pub(super) type Row = sqlx::postgres::PgRow;
pub(super) type Arguments = sqlx::postgres::PgArguments;

/// How places of values are written in statements over many rows.
pub(super) const PLACES: Places = Places::Numbered;

/// Read committed: guards stand in the statements, and a statement that waited for a row looks at it again.
pub(super) const BEGIN: &str = "BEGIN";

/// Locks the chosen rows and leaves out those that another transaction has locked.
macro_rules! skip_locked {
    () => {
        " FOR UPDATE SKIP LOCKED"
    };
}

/// Locks the rows of `tasks` that were read.
macro_rules! for_update {
    () => {
        " FOR UPDATE OF tasks"
    };
}

/// Names no index: PostgreSQL chooses by what it knows of the rows.
macro_rules! in_flight_index {
    () => {
        ""
    };
}

/// The first due rows, no more than a share, of each tenant in `in_flight` and each priority: an index range each.
macro_rules! first_of_each_tenant {
    () => {
        "in_flight CROSS JOIN priorities CROSS JOIN LATERAL (
            SELECT id, tenant_id, priority, run_at FROM tasks
            WHERE status = 'pending' AND queue = $1 AND tenant_id = in_flight.tenant_id
                AND priority = priorities.priority AND run_at <= $2
                AND (expires_at IS NULL OR expires_at > $2 OR started_at IS NOT NULL)
            ORDER BY run_at, id LIMIT (SELECT size FROM share)) AS first"
    };
}

/// The lock that one dispatcher at a time holds ends with its transaction.
pub(super) const DISPATCHES_ALONE: bool = false;

/// Lets one dispatcher per queue and database go at a time, until its transaction ends: two that counted the same free
/// places would fill them twice.
pub(super) async fn one_dispatcher(connection: &mut Connection, queue: QueueName) -> Result<(), StoreError> {
    sqlx::raw_sql(AssertSqlSafe(lock(queue))).execute(connection).await?;
    Ok(())
}

/// What begins a transaction as the one dispatcher of a queue, in one question.
pub(super) fn begin_as_dispatcher(queue: QueueName) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("{BEGIN}; {}", lock(queue)))
}

fn lock(queue: QueueName) -> String {
    format!("SELECT pg_advisory_xact_lock(hashtextextended('ortolan dispatch {}', 0))", queue.as_str())
}
