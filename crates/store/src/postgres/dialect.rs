//! What PostgreSQL says differently.

use ortolan_domain::route::QueueName;
use sqlx::AssertSqlSafe;

use super::fill;
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

/// How often others of the event loop go first before a batch leaves: under load a task asks a third fewer questions with three turns
/// than with none, and more turns change nothing.
const TURNS: usize = 3;

/// Each batch is a question of its own, so whoever is about to ask had better come along.
pub(super) async fn let_others_go_first() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}

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

/// Chooses and moves in a transaction of its own.
pub(super) use super::fill::look_and_move;

/// Keeps other dispatchers of the queue away until the transaction ends.
pub(super) async fn one_dispatcher(connection: &mut Connection, queue: QueueName) -> Result<(), StoreError> {
    sqlx::raw_sql(AssertSqlSafe(fill::lock(queue))).execute(connection).await?;
    Ok(())
}
