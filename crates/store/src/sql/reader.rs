//! Reading rows column by column, in the order in which the statement names them.

use ortolan_domain::Timestamp;
use sqlx::types::Uuid;
use sqlx::{Decode, Row as _, Type};

use super::{Row, dialect::Db};
use crate::StoreError;

/// Walks over the columns of a row of `table`.
pub(super) struct Reader<'r> {
    table: &'static str,
    row: &'r Row,
    next: usize,
}

impl<'r> Reader<'r> {
    pub(super) const fn new(table: &'static str, row: &'r Row) -> Self {
        Self { table, row, next: 0 }
    }

    /// The next column.
    pub(super) fn get<T: Decode<'r, Db> + Type<Db>>(&mut self) -> Result<T, StoreError> {
        let value = self.row.try_get(self.next)?;
        self.next += 1;
        Ok(value)
    }

    /// The next column as an id.
    pub(super) fn id<I>(&mut self, make: fn(Uuid) -> I) -> Result<I, StoreError> {
        self.get().map(make)
    }

    /// The next column as an instant.
    pub(super) fn at(&mut self) -> Result<Timestamp, StoreError> {
        self.get().map(Timestamp::from_micros)
    }

    /// The next column as an instant that may be missing.
    pub(super) fn maybe_at(&mut self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.get::<Option<i64>>()?.map(Timestamp::from_micros))
    }

    /// The next column as text that `parse` understands.
    pub(super) fn word<T>(
        &mut self,
        column: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        let text: &str = self.get()?;
        parse(text).ok_or_else(|| self.inconsistent(column))
    }

    /// The next column as text that `parse` understands and that may be missing.
    pub(super) fn maybe_word<T>(
        &mut self,
        column: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let text: Option<&str> = self.get()?;
        text.map(|text| parse(text).ok_or_else(|| self.inconsistent(column))).transpose()
    }

    /// The next column as a number that fits `T`.
    pub(super) fn number<T: TryFrom<i64>>(&mut self, column: &'static str) -> Result<T, StoreError> {
        T::try_from(self.get()?).map_err(|_| self.inconsistent(column))
    }

    /// The next column as a number that fits `T` and may be missing.
    pub(super) fn maybe_number<T: TryFrom<i64>>(&mut self, column: &'static str) -> Result<Option<T>, StoreError> {
        let number: Option<i64> = self.get()?;
        number.map(T::try_from).transpose().map_err(|_| self.inconsistent(column))
    }

    /// An error that names the row by its first column.
    pub(super) fn inconsistent(&self, column: &'static str) -> StoreError {
        let row = self.row.try_get::<Uuid, _>(0).map_or_else(|_| "?".to_owned(), |id| id.to_string());
        StoreError::Inconsistent { table: self.table, column, row }
    }
}
