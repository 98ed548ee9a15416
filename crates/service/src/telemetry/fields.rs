//! Collecting the fields of spans and events.

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};

/// Fields by name; a later one of the same name replaces the earlier.
#[derive(Debug, Default, Clone)]
pub(crate) struct Fields(pub(crate) Map<String, Value>);

/// Keys that every line has; a field that is named like one of them gets a `_` behind its name.
const RESERVED: [&str; 3] = ["timestamp", "level", "target"];

impl Fields {
    fn insert(&mut self, field: &Field, value: Value) {
        let name = field.name().trim_start_matches("r#");
        let name = if RESERVED.contains(&name) { format!("{name}_") } else { name.to_owned() };
        self.0.insert(name, value);
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
