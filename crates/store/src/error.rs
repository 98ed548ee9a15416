//! Why the store could not do what it was asked.

use sqlx::error::ErrorKind;

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database does not answer, or lost the connection: another try may help.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// A name or key that must be unique is taken.
    #[error("there is one already")]
    Duplicate,
    /// What the row would belong to, for instance its tenant, does not exist.
    #[error("what it belongs to does not exist")]
    NoParent,
    /// The request does not fit the stored row.
    #[error("the request does not fit the stored row: {0}")]
    Mismatch(&'static str),
    /// A stored row cannot be read: table, column, row.
    #[error("column {column} of {table} row {row} cannot be read")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's key.
        row: String,
    },
    /// The database refused the statement.
    #[error("the database refused the statement")]
    Refused(#[source] sqlx::Error),
    /// The database was migrated by a later release.
    #[error("the database has migration {0}, which this release does not know: start the release that made it")]
    NewerDatabase(i64),
    /// The schema could not be brought up to date.
    #[error("the database could not be migrated")]
    Migration(#[source] Box<sqlx::migrate::MigrateError>),
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolClosed => Self::Closed,
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => {
                Self::Unavailable(error)
            }
            sqlx::Error::Database(refusal) => match refusal.kind() {
                ErrorKind::UniqueViolation => Self::Duplicate,
                ErrorKind::ForeignKeyViolation => Self::NoParent,
                _ if refusal.code().is_some_and(|code| may_pass(&code)) => Self::Unavailable(error),
                _ => Self::Refused(error),
            },
            _ => Self::Refused(error),
        }
    }
}

/// True for conditions of the database that pass by themselves or are the operator's to mend, not the statement's fault.
fn may_pass(code: &str) -> bool {
    // PostgreSQL: lost connections, resources, shutdown, deadlock and serialization. SQLite: busy, locked, I/O error, full,
    // cannot open, with extended codes in the upper bytes.
    let postgres = code.len() == 5 && ["08", "53", "57", "40"].iter().any(|class| code.starts_with(class));
    let sqlite = code.len() < 5 && code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 13 | 14));
    postgres || sqlite
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::Execute(error @ sqlx::Error::Io(_)) => error.into(),
            sqlx::migrate::MigrateError::VersionMissing(version) => Self::NewerDatabase(version),
            error => Self::Migration(Box::new(error)),
        }
    }
}
