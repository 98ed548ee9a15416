//! Binding values and running statements.

use sqlx::{Arguments as _, AssertSqlSafe, Encode, SqlSafeStr, Type};

use super::{
    Arguments, Connection, Row,
    dialect::{Db, PLACES},
};
use crate::StoreError;
use crate::statement::ManyRows;

/// The values of one statement.
#[derive(Default)]
pub(super) struct Binder {
    arguments: Arguments,
    broken: Option<sqlx::Error>,
}

impl Binder {
    /// Adds the next value; a value that cannot be encoded comes to light when the statement is run.
    pub(super) fn add<T: for<'t> Encode<'t, Db> + Type<Db>>(&mut self, value: T) -> &mut Self {
        if let Err(error) = self.arguments.add(value) {
            self.broken.get_or_insert(sqlx::Error::Encode(error));
        }
        self
    }

    /// Adds the next value.
    pub(super) fn with<T: for<'t> Encode<'t, Db> + Type<Db>>(mut self, value: T) -> Self {
        self.add(value);
        self
    }

    /// Adds the values of `LIMIT` and `OFFSET`.
    pub(super) fn page(self, limit: u32, offset: u64) -> Self {
        self.with(i64::from(limit)).with(i64::try_from(offset).unwrap_or(i64::MAX))
    }

    fn finish(self) -> Result<Arguments, StoreError> {
        self.broken.map_or(Ok(self.arguments), |error| Err(error.into()))
    }
}

/// Runs a statement and takes all its rows.
pub(super) async fn fetch(
    connection: &mut Connection,
    text: impl SqlSafeStr + Send,
    values: Binder,
) -> Result<Vec<Row>, StoreError> {
    let query = sqlx::query_with(text, values.finish()?);
    Ok(query.fetch_all(connection).await?)
}

/// Runs a statement that gives at most one row.
pub(super) async fn fetch_optional(
    connection: &mut Connection,
    text: impl SqlSafeStr + Send,
    values: Binder,
) -> Result<Option<Row>, StoreError> {
    Ok(fetch(connection, text, values).await?.pop())
}

/// Runs a statement and tells how many rows it changed.
pub(super) async fn execute(
    connection: &mut Connection,
    text: impl SqlSafeStr + Send,
    values: Binder,
) -> Result<u64, StoreError> {
    let query = sqlx::query_with(text, values.finish()?);
    Ok(query.execute(connection).await?.rows_affected())
}

/// Runs a statement for up to `MAX_ROWS` given rows and takes the rows it returns.
pub(super) async fn fetch_many<T>(
    connection: &mut Connection,
    statement: &ManyRows,
    given: &[T],
    bind: impl Fn(&mut Binder, &T),
) -> Result<Vec<Row>, StoreError> {
    let (text, rows) = statement.text(given.len(), PLACES);
    let mut binder = Binder::default();
    for row in given.iter().chain(std::iter::repeat_n(&given[given.len() - 1], rows - given.len())) {
        bind(&mut binder, row);
    }
    fetch(connection, AssertSqlSafe(text), binder).await
}
