//! Reading TOML into settings by dotted path.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::error::ConfigError;

/// Settings by dotted path, for instance `worker.concurrency`.
pub(crate) type Flat = BTreeMap<String, Value>;

/// Parses `text`; `name` stands in the error.
pub(crate) fn parse(name: &str, text: &str) -> Result<Flat, ConfigError> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| ConfigError::Syntax {
        name: name.to_owned(),
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        // Not the whole error: it quotes the line, which may hold a secret.
        reason: error.message().to_owned(),
    })?;
    let mut flat = Flat::new();
    flatten("", table, &mut flat);
    Ok(flat)
}

/// Makes nested tables of dotted paths again.
pub(crate) fn nest(flat: &Flat) -> Table {
    let mut root = Table::new();
    for (path, value) in flat {
        match path.split_once('.') {
            None => root.insert(path.clone(), value.clone()),
            Some((section, key)) => {
                let section = root.entry(section).or_insert_with(|| Value::Table(Table::new()));
                section.as_table_mut().and_then(|section| section.insert(key.to_owned(), value.clone()))
            }
        };
    }
    root
}

fn flatten(prefix: &str, table: Table, flat: &mut Flat) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) => flatten(&path, inner, flat),
            leaf => {
                flat.insert(path, leaf);
            }
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
