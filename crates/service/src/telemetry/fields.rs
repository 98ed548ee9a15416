//! Collecting the fields of spans and events.

use std::borrow::Cow;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};

/// Fields by name; a later one of the same name replaces the earlier. They are few and mostly never written, so they are not sorted.
#[derive(Debug, Default, Clone)]
pub(crate) struct Fields(Vec<(Cow<'static, str>, Value)>);

/// Keys that every line has; a field that is named like one of them gets a `_` behind its name.
const RESERVED: [&str; 3] = ["timestamp", "level", "target"];

impl Fields {
    /// Takes the fields of another one.
    pub(crate) fn extend(&mut self, other: &Self) {
        other.0.iter().for_each(|(name, value)| self.put(name.clone(), value.clone()));
    }

    /// Takes a field out.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// The fields, sorted by name.
    pub(crate) fn sorted(self) -> Map<String, Value> {
        self.0.into_iter().map(|(name, value)| (name.into_owned(), value)).collect()
    }

    fn put(&mut self, name: Cow<'static, str>, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }

    fn insert(&mut self, field: &Field, value: Value) {
        let name = field.name().trim_start_matches("r#");
        let name = if RESERVED.contains(&name) { format!("{name}_").into() } else { name.into() };
        self.put(name, value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.insert(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value.into());
    }

    /// JSON has no infinities: such a number is written as text.
    fn record_f64(&mut self, field: &Field, value: f64) {
        let number = serde_json::Number::from_f64(value).map(Value::Number);
        self.insert(field, number.unwrap_or_else(|| value.to_string().into()));
    }

    /// The error and its causes in one text.
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let causes = std::iter::successors(value.source(), |cause| cause.source());
        let text = causes.fold(value.to_string(), |text, cause| format!("{text}: {cause}"));
        self.insert(field, text.into());
    }
}
