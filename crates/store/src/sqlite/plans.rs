//! The statements that run all the time find their rows by an index, however many rows there are.

#![allow(clippy::unwrap_used)]
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

use super::sql;
use crate::migrations;

/// The steps of the plan that read all of `tasks`, or all rows that a tenant ever had.
async fn slow_steps(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let plan =
        sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"))).fetch_all(connection).await.unwrap();
    let steps = plan.iter().map(|step| step.get::<String, _>("detail"));
    let reads_all = |step: &str| step.starts_with("SCAN") && step.contains("tasks") && !step.contains("USING");
    steps.filter(|step| reads_all(step) || step.contains("tasks_listed (tenant_id=?)")).collect()
}

#[tokio::test]
async fn no_statement_reads_all_tasks() {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    migrations::sqlite().run_direct(None, &mut connection, false).await.unwrap();
    for slow in ["progress > 1", "tenant_id = 'a' AND status = 'completed'"] {
        let statement = format!("SELECT * FROM tasks WHERE {slow}");
        assert_eq!(slow_steps(&mut connection, &statement).await.len(), 1, "the check works");
    }
    for statement in sql::frequent_statements() {
        assert_eq!(slow_steps(&mut connection, &statement).await, Vec::<String>::new(), "{statement}");
    }
}
