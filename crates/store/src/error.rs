//! Why the store could not do what it was asked.

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database does not answer, or lost the connection: another try may help.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// A name or key that must be unique is taken.
    #[error("there is one already")]
    Duplicate,
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
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}
