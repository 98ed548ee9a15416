//! The configuration that holds, written out.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::Config;
use super::origin::Origins;

/// TOML with secrets redacted and the origin of each value beside it.
pub(crate) fn effective_toml(config: &Config, origins: &Origins) -> String {
    let table = Table::try_from(config).unwrap_or_default();
    let mut text = String::new();
    for (key, value) in table.iter().filter(|(_, value)| !value.is_table()) {
        line(&mut text, key, value, key, origins);
    }
    for (section, keys) in table.iter().filter_map(|(key, value)| Some((key, value.as_table()?))) {
        let _ = writeln!(text, "\n[{section}]");
        for (key, value) in keys {
            line(&mut text, key, value, &format!("{section}.{key}"), origins);
        }
    }
    text
}

fn line(text: &mut String, key: &str, value: &Value, path: &str, origins: &Origins) {
    let origin = origins.get(path).cloned().unwrap_or_default();
    let _ = writeln!(text, "{key} = {value} # {}", origin.to_string().escape_debug());
}
