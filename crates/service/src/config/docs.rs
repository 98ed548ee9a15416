//! The documentation of all settings, made from the commented defaults and the table of plain names.

use std::fmt::Write as _;

use super::aliases::{ALIASES, Conversion};
use super::environment::variable_name;
use super::layers::DEFAULTS;
use super::{ranges, secret_files};

const INTRODUCTION: &str = "\
<!-- Made by `cargo run -p ortolan-service --example configuration-md > docs/configuration.md`; edit crates/service/src/config instead. -->

# Configuration

Every setting has a default. The layers, each stronger than the one before:

1. the defaults on this page;
2. a TOML file: the one that `--config` names, else `ORTOLAN_CONFIG`, else `ortolan.toml` in the data folder if there is one;
3. variables of the environment: the plain names below, then `ORTOLAN_<SECTION>__<KEY>`;
4. options of the command line.

A key or an `ORTOLAN_` variable that is not known is refused, and so is a value of the wrong kind or out of its range: the
message names the variable or the key and what would be right. An empty variable counts as not set. A switch takes `true`,
`false`, `1`, `0`, `yes`, `no`, `on` or `off`; a list is written `a, b` or `[\"a\", \"b\"]`. A unit stands at the end of a
name (`_s`, `_ms`, `_bytes`, `_mb` for MiB). Keys, passwords and the user part and query of addresses are never shown.

Deadlines lie within each other: a synchronous prediction (`ml.inference_timeout_s`, 30 s) < an inference job's soft limit
(`worker.soft_limit_s`, 300 s) < its hard limit (`worker.hard_limit_s`, 600 s) < the whole task (`worker.job_timeout_s`,
1,800 s). A request or a task may ask for less, never for more.
";

const SECRET_FILES: &str = "
## Secrets in files

With `_FILE` behind its name, a variable of one of these settings names a file that holds the value, as Docker and Kubernetes mount
secrets: `DATABASE_URL_FILE=/run/secrets/database_url`. An end of line at the end of the file does not count. Setting both the variable
and its file is refused.

";

const PLAIN_NAMES: &str = "
## Plain names

Variables without the prefix, for installations that already set them. Where two of them mean one setting, the upper one is
used and the start says so.

| Variable | Setting | Read as |
| --- | --- | --- |
";

/// The text of `docs/configuration.md`.
pub fn configuration_markdown() -> String {
    let mut text = INTRODUCTION.to_owned();
    let mut section = None;
    for entry in entries(DEFAULTS) {
        if section != Some(entry.section) {
            write_heading(&mut text, entry.section, &entry.of_section);
            section = Some(entry.section);
        }
        write_entry(&mut text, &entry);
    }
    text.push_str(SECRET_FILES);
    for path in secret_files::SETTINGS {
        let _ = writeln!(text, "- `{path}`");
    }
    text.push_str(PLAIN_NAMES);
    for alias in ALIASES {
        let _ = writeln!(text, "| `{}` | `{}` | {} |", alias.name, alias.path, reading(alias.conversion));
    }
    text
}

/// One setting as `default.toml` describes it.
#[derive(Debug)]
struct Entry<'a> {
    section: &'a str,
    of_section: String,
    key: &'a str,
    default: &'a str,
    meaning: String,
}

impl Entry<'_> {
    fn path(&self) -> String {
        if self.section.is_empty() { self.key.to_owned() } else { format!("{}.{}", self.section, self.key) }
    }
}

/// Reads the defaults line by line: a comment belongs to the setting or the section under it, a value takes one line.
fn entries(defaults: &str) -> Vec<Entry<'_>> {
    let (mut found, mut section, mut of_section, mut comment) = (Vec::new(), "", String::new(), Vec::new());
    for line in defaults.lines() {
        if let Some(text) = line.strip_prefix("# ") {
            comment.push(text);
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            (section, of_section) = (name, comment.join(" "));
            comment.clear();
        } else if let Some((key, default)) = line.split_once(" = ") {
            let (of_section, meaning) = (of_section.clone(), comment.join(" "));
            found.push(Entry { section, of_section, key, default, meaning });
            comment.clear();
        } else {
            comment.clear();
        }
    }
    found
}

fn write_heading(text: &mut String, section: &str, description: &str) {
    let title = if section.is_empty() { "Top level" } else { section };
    let _ = writeln!(text, "\n## {title}\n");
    if !description.is_empty() {
        let _ = writeln!(text, "{description}\n");
    }
    text.push_str("| Key | Default | Meaning | Variables |\n| --- | --- | --- | --- |\n");
}

fn write_entry(text: &mut String, entry: &Entry<'_>) {
    let path = entry.path();
    let range = ranges::range(&path).map(|(least, most)| format!(" From {least} to {most}.")).unwrap_or_default();
    let plain =
        ALIASES.iter().filter(|alias| alias.path == path && !matches!(alias.conversion, Conversion::Implies(_)));
    let variables = plain.fold(format!("`{}`", variable_name(&path)), |all, alias| format!("{all}, `{}`", alias.name));
    // A bare `|` would end the cell, even within backticks.
    let meaning = entry.meaning.replace('|', "\\|");
    let _ = writeln!(text, "| `{}` | `{}` | {meaning}{range} | {variables} |", entry.key, entry.default);
}

fn reading(conversion: Conversion) -> String {
    match conversion {
        Conversion::Same => "it is".to_owned(),
        Conversion::Mebibytes => "a number of MiB".to_owned(),
        Conversion::LogLevel => "a level; `WARNING` and `CRITICAL` are known, too".to_owned(),
        Conversion::Switch(on, off) => format!("`true` is `{on}`, `false` is `{off}`"),
        Conversion::RateStore => "`memory://` is `memory`, an address of Redis `redis`".to_owned(),
        Conversion::Implies(word) => format!("when it is set: `{word}`, unless something else sets the kind"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::config::layers;

    #[test]
    fn every_setting_is_described_once() {
        let entries = entries(DEFAULTS);
        let described: BTreeSet<_> = entries.iter().map(Entry::path).collect();
        assert_eq!(described.len(), entries.len());
        assert_eq!(described, layers::defaults().unwrap().into_keys().collect());
        for entry in &entries {
            assert!(entry.meaning.ends_with(['.', ')', '`']), "{} has no description", entry.path());
            assert!(entry.section.is_empty() || !entry.of_section.is_empty(), "[{}] has none", entry.section);
        }
    }

    #[test]
    fn the_committed_page_is_the_made_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(
            committed == configuration_markdown(),
            "docs/configuration.md is out of date; make it again with \
             `cargo run -p ortolan-service --example configuration-md > docs/configuration.md`"
        );
    }
}
