//! Where text goes: results to standard output, everything else to standard error.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::cli::GlobalArgs;
use crate::failure::Failure;

/// The terminal, or the files and pipes in its place.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terminal {
    json: bool,
    quiet: bool,
}

impl Terminal {
    /// A terminal that writes as the command line asks.
    pub fn new(args: &GlobalArgs) -> Self {
        Self { json: args.json, quiet: args.quiet }
    }

    /// True when scripts read the output.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// True when progress may be shown.
    pub fn shows_progress(self) -> bool {
        !self.quiet
    }

    /// True when a person watches standard error, so that a line may be drawn over.
    pub fn is_interactive(self) -> bool {
        self.shows_progress()
            && io::stderr().is_terminal()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    /// Writes text and a line feed to standard output.
    pub fn line(self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush())?;
        Ok(())
    }

    /// Writes a value as indented JSON to standard output.
    pub fn json(self, value: &impl Serialize) -> Result<(), Failure> {
        let text =
            serde_json::to_string_pretty(value).map_err(|error| Failure::internal("no JSON for the answer", error))?;
        self.line(&escape_controls(&text))
    }

    /// Writes a value as JSON in one line, which a script that follows reads as soon as it is there.
    pub fn json_line(self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|error| Failure::internal("no JSON for the answer", error))?;
        self.line(&escape_controls(&text))
    }

    /// Writes the value as JSON for scripts, or what `text` makes of it for people.
    pub fn show<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        if self.json { self.json(value) } else { self.line(&text(value)) }
    }

    /// Writes a remark to standard error, unless told to be quiet.
    pub fn note(self, text: &str) {
        if !self.quiet {
            self.error_line(text);
        }
    }

    /// A table's text: with lines for people, in plain columns for pipes. Cells must be [`printable`].
    pub fn table<const N: usize>(self, header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
        let is_watched = io::stdout().is_terminal();
        let mut table = Table::new();
        table.load_preset(if is_watched { presets::UTF8_FULL_CONDENSED } else { presets::NOTHING });
        table.set_header(header).add_rows(rows);
        table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }

    /// Says what went wrong and gives the exit code; a reader that went away is no fault.
    pub fn finish(self, outcome: Result<(), Failure>) -> ExitCode {
        let Err(failure) = outcome else { return ExitCode::SUCCESS };
        if !failure.is_closed_pipe() {
            self.error_line(&if self.json { failure.to_json() } else { failure.to_text() });
        }
        failure.exit_code().into()
    }

    /// There is nobody left to tell when standard error is gone.
    fn error_line(self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// Text that cannot steer a terminal: control characters and marks that change the writing's direction become `\u{...}`.
pub fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if is_steering(c) {
            shown.extend(c.escape_unicode())
        } else {
            shown.push(c)
        }
        shown
    })
}

/// The same for JSON text, where such characters occur inside of strings only and line feeds outside of them only.
fn escape_controls(json: &str) -> String {
    json.chars().fold(String::with_capacity(json.len()), |mut shown, c| {
        if c != '\n' && is_steering(c) {
            shown.push_str(&format!("\\u{:04x}", c as u32))
        } else {
            shown.push(c)
        }
        shown
    })
}

fn is_steering(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn text_cannot_steer_the_terminal() {
        assert_eq!(printable("a\x1b[31mb\r\n\u{9b}c\u{202e}d"), r"a\u{1b}[31mb\u{d}\u{a}\u{9b}c\u{202e}d");
        assert_eq!(printable("Käse 🧀 日本"), "Käse 🧀 日本");
    }

    #[test]
    fn escaped_json_means_the_same() {
        let value = serde_json::json!({"name": "a\u{7f}\u{9b}\u{202e}\u{1b}é", "list": [1, 2]});
        let text = escape_controls(&serde_json::to_string_pretty(&value).unwrap());
        assert!(text.chars().all(|c| c == '\n' || !is_steering(c)));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn a_table_in_a_pipe_has_plain_columns() {
        let table = Terminal::default().table(["label", "confidence"], [["circle".to_owned(), "0.98".to_owned()]]);
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines, [["label", "confidence"], ["circle", "0.98"]]);
    }
}
