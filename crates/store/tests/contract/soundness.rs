//! Rows that somebody has broken by hand are found, and named in words.

use ortolan_domain::TaskStatus;
use ortolan_domain::invariant::Violation;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

use crate::fixture::{Fixture, Home, at};

pub(crate) async fn what_is_as_it_should_be_is_not_mentioned(f: Fixture) {
    for status in TaskStatus::ALL {
        f.task_in(status).await;
    }
    assert_eq!(f.stores.tasks.violations(None, 100).await.unwrap(), []);
}

pub(crate) async fn broken_rows_are_named_in_words(f: Fixture) {
    for status in TaskStatus::ALL {
        f.task_in(status).await;
    }
    // The statement that breaks rows, what is said of them, and how many are broken by then: the dispatch that queued the second task took
    // the first one along.
    let damages = [
        ("worker_id = NULL WHERE status = 'running'", "runs without a run and its worker", 1),
        ("failures = 9 WHERE status = 'cancelled'", "failed and crashed more often than it was tried", 2),
        ("error_code = NULL WHERE status = 'failed'", "has an error exactly when it failed", 3),
        ("completed_at = NULL WHERE status = 'completed'", "has an end time exactly when it has ended", 4),
        ("version = 0 WHERE status = 'queued'", "was dispatched more often than it changed", 6),
    ];
    for (damage, words, broken) in damages {
        alter(&f.home, damage).await;
        let found = f.stores.tasks.violations(None, 100).await.unwrap();
        assert_eq!(rows(&found), broken, "{damage}: {found:?}");
        assert!(found.iter().any(|violation| violation.what == words), "{damage}: {found:?}");
    }
    assert_eq!(rows(&f.stores.tasks.violations(None, 2).await.unwrap()), 2, "no more rows than the limit");
}

pub(crate) async fn a_look_at_the_last_minutes_leaves_out_what_ended_before(f: Fixture) {
    f.task_in(TaskStatus::Failed).await;
    alter(&f.home, "error_code = NULL WHERE status = 'failed'").await;
    assert_eq!(rows(&f.stores.tasks.violations(Some(at(-1)), 100).await.unwrap()), 1);
    assert_eq!(f.stores.tasks.violations(Some(at(10_000)), 100).await.unwrap(), []);
}

/// How many rows something is said of.
fn rows(found: &[Violation]) -> usize {
    let subjects: std::collections::HashSet<_> = found.iter().map(|violation| &violation.subject).collect();
    subjects.len()
}

/// Does to tasks what no port offers.
async fn alter(home: &Home, damage: &str) {
    let statement = AssertSqlSafe(format!("UPDATE tasks SET {damage}"));
    match home {
        Home::Sqlite(path) => {
            let mut connection = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
            sqlx::query(statement).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
        Home::Postgres(url) => {
            let mut connection = PgConnection::connect(url).await.unwrap();
            sqlx::query(statement).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
    }
}
