//! A look of dispatch and its moves in one question, where nothing else is in the transaction: an idle server would spend more time on the
//! way to the database than in it.
//!
//! The statements of one simple query share a transaction and read, one after the other, what is committed when each begins. So the look, which
//! waits for the lock before it, sees what the dispatcher before it did; in a single statement it would not. What a simple query runs is planned
//! anew each time, unless it was prepared: the look is prepared once for each connection, by name.

use ortolan_domain::route::QueueName;
use sqlx::{AssertSqlSafe, PgConnection};

use super::dialect::Row;
use super::sql::{CHOOSE, Dispatch, Filled, MOVE_GIVEN, read_filled};
use crate::StoreError;

/// The look's name among a connection's prepared statements.
const NAME: &str = "ortolan_dispatch";
/// SQLSTATE of a prepared statement that is not there.
const UNKNOWN: &str = "26000";

/// Lets one dispatcher per queue and database go at a time, until its transaction ends: two that counted the same free
/// places would fill them twice.
pub(super) fn lock(queue: QueueName) -> String {
    format!("SELECT pg_advisory_xact_lock(hashtextextended('ortolan dispatch {}', 0))", queue.as_str())
}

/// Chooses and moves as the one dispatcher of the queue, in a transaction of its own.
pub(super) async fn look_and_move(connection: &mut PgConnection, wish: &Dispatch) -> Result<Filled, StoreError> {
    let Dispatch { queue, limits, now } = wish;
    let (window, per_tenant) = (limits.window, limits.per_tenant);
    let question =
        format!("{}; EXECUTE {NAME}('{}', {}, {window}, {per_tenant})", lock(*queue), queue.as_str(), now.as_micros());
    let rows = match ask(connection, question.clone()).await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNKNOWN) => {
            sqlx::raw_sql(AssertSqlSafe(preparation())).execute(&mut *connection).await?;
            ask(connection, question).await?
        }
        rows => rows?,
    };
    // The first row is the lock's answer.
    read_filled(rows.get(1..).unwrap_or_default())
}

async fn ask(connection: &mut PgConnection, question: String) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(question)).fetch_all(connection).await
}

/// What is chosen is moved in the order of ids, in which all statements lock rows, and keeps the number of its place.
fn preparation() -> String {
    format!(
        "PREPARE {NAME}(TEXT, BIGINT, BIGINT, BIGINT) AS
         WITH given(id, at, eligible, all_within_share, place) AS MATERIALIZED (
            SELECT id, $2, eligible, all_within_share, ROW_NUMBER() OVER ()
            FROM ({CHOOSE}) AS chosen(id, eligible, all_within_share) ORDER BY id
         )
         {MOVE_GIVEN}, given.eligible, given.all_within_share, given.place"
    )
}
