//! The statements that run all the time find their rows by an index, however many rows there are.

#![allow(clippy::unwrap_used)]
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

use super::sql;
use crate::migrations;

/// The steps of the plan that read all of `tasks`, or sort with a temporary tree where an index should give the order.
async fn slow_steps(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let plan =
        sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"))).fetch_all(connection).await.unwrap();
    let steps = plan.iter().map(|step| step.get::<String, _>("detail"));
    steps.filter(|step| step.starts_with("SCAN") && step.contains("tasks") && !step.contains("USING")).collect()
}

#[tokio::test]
async fn no_statement_reads_all_tasks() {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    migrations::sqlite().run_direct(None, &mut connection, false).await.unwrap();
    assert_eq!(slow_steps(&mut connection, "SELECT * FROM tasks WHERE progress > 1").await.len(), 1, "the check works");
    for statement in sql::frequent_statements() {
        assert_eq!(slow_steps(&mut connection, &statement).await, Vec::<String>::new(), "{statement}");
    }
}
